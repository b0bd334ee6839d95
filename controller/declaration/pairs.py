"""Pairs: every (target, server) of a declaration with its rendered work and input digest.

Called by `reconcile`. For each target: lay out its texts (`blueprint`), see which values they use (`templates`), group
the servers by those values, render once a group (`rendering`), hash (`inputs`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from controller.declaration.blueprint import Blueprint, blueprint
from controller.declaration.findings import Findings
from controller.declaration.grouping import Group, group_servers, server_paths, values_of
from controller.declaration.inputs import Inputs, Sourced, source_digest
from controller.declaration.renderer import Renderer
from controller.declaration.rendering import Rendering
from controller.declaration.templates import Path, Studies
from controller.declaration.traces import trace
from controller.declaration.values import ANY_COMMIT
from controller.declaration.works import Maker, Rendered, render_values, work
from controller.model.declaration import Declaration, Repo
from controller.model.diagnostic import Diagnostic, Severity
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
        checks: render `check:` too, only to find its errors.
    """
    scope = scope or Scope()
    studies = Studies(renderer)
    desk = _Desk(declaration=declaration, studies=studies, rendering=Rendering(renderer, studies))
    plans = [
        blueprint(target, declaration.tasks[target.task])
        for target in declaration.targets.values()
        if scope.targets is None or target.name in scope.targets
    ]
    studies.learn([site for plan in plans for site in plan.sites()])
    pairs: list[Pair] = []
    for plan in plans:
        name = plan.target.name
        problems = [d for s in plan.sites() for d in studies.findings(s, plan.target, plan.task)]
        for problem in problems:
            desk.findings.add(problem)
        if not problems and (plan.target.repo is None or name in sources):
            pairs += _target_pairs(desk, plan, sources.get(name), scope, checks=checks)
    return Resolved(pairs=tuple(pairs), diagnostics=desk.findings.sorted())


def _target_pairs(
    desk: _Desk, plan: Blueprint, sourced: Sourced | None, scope: Scope, *, checks: bool
) -> list[Pair]:
    paths = server_paths(plan, desk.studies, checks=checks)
    groups = group_servers(_members(desk, plan, scope), paths)
    revision = None if sourced is None else sourced.revision
    values = [values_of(plan, group.first, revision, None) for group in groups]
    real = render_values(plan, values, desk.rendering, checks=checks)
    hashed = real
    if _hides_commit(desk, plan, revision):
        hidden = [values_of(plan, group.first, revision, ANY_COMMIT) for group in groups]
        hashed = render_values(plan, hidden, desk.rendering, checks=False)
    scripts = desk.declaration.scripts
    maker = Maker(inputs=desk.inputs, traces=trace(plan, desk.studies, scripts), scripts=scripts)
    works: dict[str, Work] = {}
    for group, rendered, hidden_one in zip(groups, real, hashed, strict=True):
        _report(desk, group, rendered, paths)
        if not rendered.failures:
            made = work(plan, rendered, hidden_one, maker=maker, sourced=sourced)
            works |= dict.fromkeys((server.name for server in group.servers), made)
    name = plan.target.name
    return [
        Pair(target=name, server=member, work=works[member])
        for member in plan.target.members
        if member in works
    ]


def _members(desk: _Desk, plan: Blueprint, scope: Scope) -> list[Server]:
    servers = desk.declaration.inventory.servers
    return [servers[m] for m in plan.target.members if scope.servers is None or m in scope.servers]


def _hides_commit(desk: _Desk, plan: Blueprint, revision: Revision | None) -> bool:
    """Say whether the commit must be hashed as a placeholder: it is used, but only `paths:` count."""
    if revision is None or not plan.target.paths:
        return False
    sites = plan.sites(checks=False)
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
