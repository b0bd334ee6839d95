"""What `check:` of a pair would run, rendered with the commit that was applied there.

Called by `reconcile` for the pairs whose desired digest is the applied one; `transport` probes with the result.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby

from controller.declaration.blueprint import Blueprint, blueprint
from controller.declaration.findings import Findings
from controller.declaration.grouping import group_key, server_paths, values_of
from controller.declaration.renderer import Renderer
from controller.declaration.rendering import Rendering
from controller.declaration.templates import Studies
from controller.declaration.works import Rendered, render_values
from controller.model.applied import Applied
from controller.model.declaration import Declaration
from controller.model.diagnostic import Diagnostic
from controller.model.work import Pair

Wanted = tuple[Pair, Applied]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckWork:
    """One check, ready to be probed; `applied` is the run it speaks of (for CTL_COMMIT and the like)."""

    pair: Pair
    applied: Applied
    text: str
    env: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, object] = field(default_factory=dict)
    user: str | None = None
    workdir: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """What `render` found; a check that cannot be rendered is missing and has a diagnostic."""

    checks: tuple[CheckWork, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


def render(declaration: Declaration, wanted: Iterable[Wanted], renderer: Renderer) -> Checks:
    """Render the checks of pairs in sync; pairs whose task has no `check:` are left out."""
    studies = Studies(renderer)
    rendering = Rendering(renderer, studies)
    findings = Findings()
    made: list[CheckWork] = []
    for name, group in groupby(sorted(wanted, key=_target), key=_target):
        target = declaration.targets[name]
        plan = blueprint(target, declaration.tasks[target.task], declaration.blobs).for_check()
        if "check" in plan.probes:
            studies.learn(list(plan.sites()))
            made += _of_target(declaration, plan, list(group), (studies, rendering, findings))
    return Checks(checks=tuple(made), diagnostics=findings.sorted())


def _target(one: Wanted) -> str:
    return one[0].target


def _of_target(
    declaration: Declaration,
    plan: Blueprint,
    wanted: list[Wanted],
    tools: tuple[Studies, Rendering, Findings],
) -> list[CheckWork]:
    """Render once for every distinct (values of the server, applied commit)."""
    studies, rendering, findings = tools
    servers = declaration.inventory.servers
    texts = [*plan.texts.values(), plan.probes["check"]]
    paths = server_paths([*plan.param_sites(), *texts], studies)
    groups: dict[object, list[Wanted]] = {}
    for pair, applied in wanted:
        key = (group_key(servers[pair.server], paths), applied.commit, applied.branch)
        groups.setdefault(key, []).append((pair, applied))
    values = [_values(declaration, plan, members[0]) for members in groups.values()]
    made: list[CheckWork] = []
    for members, one in zip(
        groups.values(), render_values(plan, values, rendering, texts), strict=True
    ):
        for site, failure in one.failures:
            findings.failed(
                site,
                failure,
                server=members[0][0].server,
                count=len(members),
                values=one.values,
                paths=studies.paths(site),
            )
        if not one.failures:
            made += [_check(pair, applied, one) for pair, applied in members]
    return made


def _values(declaration: Declaration, plan: Blueprint, one: Wanted) -> dict[str, object]:
    pair, applied = one
    values = values_of(plan, declaration.inventory.servers[pair.server], None, None)
    if plan.target.repo is not None and applied.commit is not None:
        branch = applied.branch or ""
        date = "" if applied.committed_at is None else applied.committed_at.isoformat()
        values["repo"] = {"name": plan.target.repo, "branch": branch}
        values["commit"] = {
            "sha": applied.commit,
            "short_sha": applied.commit[:7],
            "branch": branch,
            "date": date,
        }
    return values


def _check(pair: Pair, applied: Applied, one: Rendered) -> CheckWork:
    task_env = {
        name.removeprefix("env."): text
        for name, text in one.texts.items()
        if name.startswith("env.")
    }
    return CheckWork(
        pair=pair,
        applied=applied,
        text=one.texts["check"],
        env=task_env,
        params=one.params,
        user=one.texts.get("user"),
        workdir=one.texts.get("workdir"),
    )
