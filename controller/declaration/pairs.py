"""Pairs: every (target, server) of a declaration with its rendered work and input digest.

Called by `reconcile`. For each target: lay out its texts (`blueprint`), see which values they use (`templates`), group
the servers by those values, render once a group (`rendering`), judge what is delivered (`contents`), hash (`inputs`). The
undo of a target (`undoing`) goes the same way.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from controller.declaration.blueprint import Blueprint, blueprint
from controller.declaration.collisions import collisions
from controller.declaration.contents import Contents, problems
from controller.declaration.deliveries import checkout_problems
from controller.declaration.findings import Findings
from controller.declaration.grouping import Group, group_servers, server_paths, values_of
from controller.declaration.inputs import Inputs, Sourced, source_digest
from controller.declaration.renderer import Renderer
from controller.declaration.rendering import Rendering
from controller.declaration.templates import Path, Studies
from controller.declaration.traces import trace
from controller.declaration.undoing import undo_blueprint, undo_problems, undo_size_problem
from controller.declaration.values import ANY_COMMIT
from controller.declaration.works import Maker, Rendered, render_values, work
from controller.model.declaration import Declaration, Repo, Target
from controller.model.diagnostic import NOWHERE, Diagnostic, Place, Severity
from controller.model.ids import Sha
from controller.model.inventory import Server
from controller.model.revision import Revision
from controller.model.scope import Scope
from controller.model.work import Pair, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What `resolve` found; a pair whose templates cannot be rendered is missing and has a diagnostic."""

    pairs: tuple[Pair, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(slots=True, kw_only=True)
class _Desk:
    """What the targets of one call share while they are resolved."""

    declaration: Declaration
    studies: Studies
    rendering: Rendering
    inputs: Inputs = field(default_factory=Inputs)
    contents: Contents = field(default_factory=Contents)
    findings: Findings = field(default_factory=Findings)


def resolve(
    declaration: Declaration,
    sources: Mapping[str, Sourced],
    renderer: Renderer,
    *,
    scope: Scope | None = None,
    checks: bool = False,
) -> Resolved:
    """Render the work of every pair in scope and hash its inputs.

    Args:
        declaration: what one revision asks for.
        sources: the commit of each target that has a repo, by target name; a target whose repo has no commit yet is
            left out, and so are its pairs.
        renderer: an open renderer.
        scope: which pairs; None is all.
        checks: render `check:` and every `revert:` too, only to find their errors.
    """
    scope = scope or Scope()
    studies = Studies(renderer)
    desk = _Desk(declaration=declaration, studies=studies, rendering=Rendering(renderer, studies))
    targets = [
        target
        for target in declaration.targets.values()
        if scope.targets is None or target.name in scope.targets
    ]
    plans = {target.name: _plans(declaration, target) for target in targets}
    studies.learn([site for both in plans.values() for plan in both for site in plan.sites()])
    pairs: list[Pair] = []
    for target in targets:
        if _sound(desk, plans[target.name]) and (target.repo is None or target.name in sources):
            sourced = sources.get(target.name)
            pairs += _target_pairs(desk, plans[target.name], sourced, scope, checks=checks)
    for collision in collisions(pairs, {target.name: _places(desk, target) for target in targets}):
        desk.findings.add(collision)
    return Resolved(pairs=tuple(pairs), diagnostics=desk.findings.sorted())


def _plans(declaration: Declaration, target: Target) -> list[Blueprint]:
    """Lay out the work of a target, and behind it that of its undo if it has one."""
    plans = [blueprint(target, declaration.tasks[target.task], declaration.blobs)]
    if target.undo is not None:
        plans.append(undo_blueprint(target, declaration.tasks[target.undo], declaration.blobs))
    return plans


def _places(desk: _Desk, target: Target) -> dict[str, Place]:
    checkout = desk.declaration.tasks[target.task].checkout
    places = {"": target.places.get("", NOWHERE)}
    if checkout is not None:
        places["checkout"] = checkout.places.get("path", NOWHERE)
    return places


def _sound(desk: _Desk, plans: list[Blueprint]) -> bool:
    """Find what is wrong with a target whatever the server; say whether there is nothing."""
    found = [problem for plan in plans for problem in _of_plan(desk, plan)]
    work, *undos = plans
    found += checkout_problems(work.target, work.task)
    for undo in undos:
        found += undo_problems(work.target, undo.task)
    for problem in found:
        desk.findings.add(problem)
    return not found


def _of_plan(desk: _Desk, plan: Blueprint) -> Iterator[Diagnostic]:
    for site in plan.sites():
        yield from desk.studies.findings(
            site, plan.target, plan.task, desk.declaration.secrets.keys()
        )


def _target_pairs(
    desk: _Desk, plans: list[Blueprint], sourced: Sourced | None, scope: Scope, *, checks: bool
) -> list[Pair]:
    target = plans[0].target
    servers = _members(desk, target, scope)
    works, *rest = (_works(desk, plan, sourced, servers, checks=checks) for plan in plans)
    undos = rest[0] if rest else None
    for undo in {id(one): one for one in (undos or {}).values()}.values():
        too_large = undo_size_problem(target, undo)
        if too_large is not None:
            desk.findings.add(too_large)
    return [
        Pair(
            target=target.name,
            server=member,
            work=works[member],
            undo=None if undos is None else undos[member],
        )
        for member in target.members
        if member in works and (undos is None or member in undos)
    ]


def _works(
    desk: _Desk, plan: Blueprint, sourced: Sourced | None, servers: list[Server], *, checks: bool
) -> dict[str, Work]:
    """Make the work of every server whose texts can be rendered; equal work is one object."""
    texts = list(plan.rendered(checks=checks))
    paths = server_paths([*plan.param_sites(), *texts], desk.studies)
    groups = group_servers(servers, paths)
    revision = None if sourced is None else sourced.revision
    values = [values_of(plan, group.first, revision, None) for group in groups]
    real = render_values(plan, values, desk.rendering, texts)
    hashed = real
    if _hides_commit(desk, plan, revision):
        hidden = [values_of(plan, group.first, revision, ANY_COMMIT) for group in groups]
        hashed = render_values(plan, hidden, desk.rendering, list(plan.counted()))
    maker = Maker(
        inputs=desk.inputs,
        contents=desk.contents,
        traces=trace(plan, desk.studies, desk.declaration.scripts),
        scripts=desk.declaration.scripts,
    )
    works: dict[str, Work] = {}
    for group, rendered, hidden_one in zip(groups, real, hashed, strict=True):
        rendered.failures += problems(
            plan, rendered.texts, desk.contents, desk.studies, desk.declaration.secrets.keys()
        )
        _report(desk, group, rendered, paths)
        if not rendered.failures:
            made = work(plan, rendered, hidden_one, maker=maker, sourced=sourced)
            works |= dict.fromkeys((server.name for server in group.servers), made)
    return works


def _members(desk: _Desk, target: Target, scope: Scope) -> list[Server]:
    servers = desk.declaration.inventory.servers
    return [servers[m] for m in target.members if scope.servers is None or m in scope.servers]


def _hides_commit(desk: _Desk, plan: Blueprint, revision: Revision | None) -> bool:
    """Say whether the commit must be hashed as a placeholder: it is used, but only `paths:` count."""
    if revision is None or not plan.target.paths:
        return False
    sites = (*plan.param_sites(), *plan.counted())
    return any(path[0] == "commit" for site in sites for path in desk.studies.paths(site))


def _report(desk: _Desk, group: Group, rendered: Rendered, paths: list[Path]) -> None:
    for site, failure in rendered.failures:
        desk.findings.failed(
            site,
            failure,
            server=group.first.name,
            count=len(group.servers),
            values=rendered.values,
            paths=desk.studies.paths(site),
        )
    for path in paths:
        if path[0] == "vars" and len(path) > 1:
            _warn_of_braces(desk, group.first, path[1])


def _warn_of_braces(desk: _Desk, server: Server, name: str) -> None:
    value = server.vars.get(name)
    place = server.origins.get(name)
    if isinstance(value, str) and "{{" in value and place is not None:
        desk.findings.add(
            Diagnostic(
                severity=Severity.WARNING,
                code="template-in-variable",
                message=f"variable {name} holds {{{{, which stays text: values are not templates",
                place=place,
                hint="put the template where the variable is used",
            )
        )


_NO_COMMIT = Sha("0" * 40)


def placeholders(declaration: Declaration) -> dict[str, Sourced]:
    """Give every target with a repo a commit that does not exist, for `validate`."""
    digest = source_digest(commit=_NO_COMMIT)
    return {
        name: Sourced(
            revision=_no_commit(declaration.repos[target.repo]), digest=digest, repo=target.repo
        )
        for name, target in declaration.targets.items()
        if target.repo is not None
    }


def _no_commit(repo: Repo) -> Revision:
    return Revision(
        sha=_NO_COMMIT,
        branch=repo.ref,
        author="",
        email="",
        subject="",
        message="",
        committed_at=datetime(1970, 1, 1, tzinfo=UTC),
    )
