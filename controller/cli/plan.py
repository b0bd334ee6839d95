"""`ctl plan`: what would happen, and why."""

import shlex
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.context import Format, Invocation
from controller.cli.dates import read_duration, read_since
from controller.cli.exitcodes import ExitCode, of_plan
from controller.cli.options import command
from controller.cli.port import Controller
from controller.cli.views.documents import to_json, to_jsonl, to_yaml
from controller.cli.views.plan import PlanScene, expiry, is_drift, plan_text
from controller.cli.views.plan_document import plan_document, plan_events
from controller.cli.views.plan_markdown import plan_markdown
from controller.errors import NotFoundError, RefusedError, UsageError
from controller.model.diagnostic import Severity
from controller.model.plan import Plan
from controller.reconcile.exchange.requests import PlanRequest
from controller.source.place import find

app = typer.Typer()

Limit = Annotated[
    str | None,
    typer.Option("-l", "--limit", metavar="SELECTOR", help="Only these servers."),
]
Targets = Annotated[
    list[str] | None, typer.Option("--target", metavar="NAME", help="Only this target; repeatable.")
]
FORMATS = (Format.TABLE, Format.WIDE, Format.JSON, Format.JSONL, Format.YAML, Format.MD)


@command(app, "plan", formats=FORMATS)
async def plan(
    ctl: Invocation,
    *,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="REV", help="The declarations of a commit; opens no server."),
    ] = None,
    between: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--between", metavar="A B", help="What changes from commit A to B; opens no server."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Save the plan for ctl apply FILE.")
    ] = None,
    sign: Annotated[
        Path | None,
        typer.Option(
            "--sign", metavar="KEY", help="Sign the saved plan with an ssh key (FILE.sig)."
        ),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            metavar="TIME",
            help="As it was at a time, from what was recorded; opens no server.",
        ),
    ] = None,
    expires: Annotated[
        str,
        typer.Option("--expires", metavar="DURATION", help="How long a saved plan may be applied."),
    ] = "24h",
    refresh: Annotated[
        bool,
        typer.Option("--refresh/--no-refresh", help="Open the servers, or use what was last seen."),
    ] = True,
    detailed_exitcode: Annotated[
        bool,
        typer.Option(
            "--detailed-exitcode",
            help="Exit 2 for changes, 3 for drift only, 4 for blocked or unknown.",
        ),
    ] = False,
    limit: Limit = None,
    target: Targets = None,
    full: Annotated[
        bool, typer.Option("--full", help="Do not fold; list pairs in sync, too.")
    ] = False,
) -> int:
    """Show what would happen and why: every line with its file, line, commit and author.

    Changes nothing. Reads markers and runs each check on the servers, unless --no-refresh. With --controller the checkout here is planned
    against what the controller knows; where there is none, the controller plans what it has in force.
    """
    if sum(1 for one in (at, between, as_of) if one) > 1:
        raise UsageError("--at, --between and --as-of exclude each other", hint="ctl plan --help")
    if out and (between or as_of):
        raise UsageError(
            "a plan between two commits, or of the past, cannot be saved", hint="leave out --out"
        )
    if sign and not out:
        raise UsageError("--sign is for a saved plan", hint="ctl plan --out FILE --sign KEY")
    lifetime = timedelta(seconds=read_duration(expires, flag="--expires"))
    request = PlanRequest(
        at=at,
        between=between,
        as_of=None
        if as_of is None
        else read_since(as_of, ctl.surroundings.clock.now(), flag="--as-of"),
        refresh=refresh and not (at or between or as_of),
        limit=limit,
        targets=tuple(target or ()),
        full=full,
    )
    against = ctl.way() is not None and has_config(ctl)
    if against:
        if out is not None:
            raise UsageError("a plan against a controller cannot be saved", hint="leave out --out")
        request = replace(request, refresh=False)
    with ctl.listen() as listener:
        async with ctl.open(listener=listener, against=against) as controller:
            answer = await controller.plan(request)
            if out is not None:
                key = None if sign is None else ctl.surroundings.cwd / sign
                answer = await _save(controller, answer, ctl.surroundings.cwd / out, lifetime, key)
            state = controller.state
    ctl.print(render(ctl, answer, state=state, full=full))
    _next(ctl, request, answer, out)
    if any(finding.severity is Severity.ERROR for finding in answer.diagnostics):
        return ExitCode.ERROR
    return of_plan(answer.summary, detailed=detailed_exitcode)


def has_config(ctl: Invocation) -> bool:
    """Say whether there is a config repository here."""
    try:
        find(ctl.directory)
    except NotFoundError:
        return False
    return True


async def _save(
    controller: Controller, plan: Plan, path: Path, lifetime: timedelta, key: Path | None
) -> Plan:
    if plan.dirty:
        raise RefusedError(
            "a plan of uncommitted declarations cannot be saved", hint="git commit, then plan again"
        )
    return await controller.save_plan(plan, path, expires=lifetime, key=key)


def render(ctl: Invocation, plan: Plan, *, state: str, full: bool = False) -> str:
    """Show a plan in the format of the invocation."""
    now = ctl.surroundings.clock.now()
    match ctl.format:
        case Format.JSON:
            return to_json(plan_document(plan, state=state))
        case Format.JSONL:
            return to_jsonl(plan_events(plan, state=state))
        case Format.YAML:
            return to_yaml(plan_document(plan, state=state))
        case Format.MD:
            return plan_markdown(plan, now)
        case _:
            scene = PlanScene(now=now, style=ctl.terminal.style, state=state, full=full)
            return plan_text(plan, scene)


def _next(ctl: Invocation, request: PlanRequest, plan: Plan, out: Path | None) -> None:
    if out is not None:
        ctl.note(f"saved to {out}; {expiry(plan)}")
        ctl.next(f"ctl apply {shlex.quote(str(out))}")
        return
    if request.at or request.between or request.as_of:
        return
    filters = _filters(request)
    blocked = next((c for c in plan.changes if c.blocked_by is not None), None)
    if any(change.runs for change in plan.changes):
        commit = ("git add --all && git commit",) if plan.dirty else ()
        ctl.next(*commit, f"ctl apply{filters}")
    elif any(is_drift(change) for change in plan.changes):
        ctl.next(f"ctl apply --heal{filters}")
    elif blocked is not None:
        clear = blocked.blocked_by.clear if blocked.blocked_by else None
        ctl.next(clear or f"ctl why {shlex.quote(blocked.target)} {shlex.quote(blocked.server)}")


def _filters(request: PlanRequest) -> str:
    words = [f" -l {shlex.quote(request.limit)}"] if request.limit else []
    words += [f" --target {shlex.quote(name)}" for name in request.targets]
    return "".join(words)
