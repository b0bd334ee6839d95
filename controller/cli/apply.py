"""`ctl apply`: do what the plan says, or exactly what a saved plan says."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.context import Format, Invocation
from controller.cli.dates import read_duration
from controller.cli.exitcodes import ExitCode, of_report
from controller.cli.options import command
from controller.cli.plan import Limit, Targets
from controller.cli.views.documents import to_json, to_jsonl, to_yaml
from controller.cli.views.plan import PlanScene, plan_text
from controller.cli.views.report import report_document, report_text
from controller.cli.views.words import count
from controller.errors import UsageError
from controller.model.plan import OVERRIDABLE, Plan
from controller.reconcile.documents import job_document
from controller.reconcile.exchange.reports import ApplyOutcome
from controller.reconcile.exchange.requests import ApplyRequest, Confirm

app = typer.Typer()

Timeout = Annotated[
    str | None,
    typer.Option("--timeout", metavar="DURATION", help="Stop waiting then (exit 6); work goes on."),
]
Parallel = Annotated[
    int, typer.Option("--parallel", min=1, max=1000, metavar="N", help="So many servers at once.")
]
Wait = Annotated[
    bool,
    typer.Option(
        "--wait/--no-wait", help="--no-wait leaves the run to the controller; needs --controller."
    ),
]


Override = Annotated[
    list[str] | None,
    typer.Option(
        "--override",
        metavar="GATE",
        help="Pass over a gate or a limit, once; needs --reason; repeatable.",
    ),
]


@command(app, "apply", formats=(Format.TABLE, Format.JSON, Format.JSONL, Format.YAML))
async def apply(
    ctl: Invocation,
    *,
    planfile: Annotated[
        Path | None,
        typer.Argument(
            metavar="[PLANFILE]", help="A plan saved by ctl plan --out; nothing is asked."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
    limit: Limit = None,
    target: Targets = None,
    heal: Annotated[
        bool, typer.Option("--heal", help="Repair drift that targets only report, too.")
    ] = False,
    allow_dirty: Annotated[
        bool, typer.Option("--allow-dirty", help="Apply declarations that are not committed.")
    ] = False,
    wait: Wait = True,
    timeout: Timeout = None,  # noqa: ASYNC109  # the word people type
    parallel: Parallel = 50,
    resume: Annotated[
        str | None,
        typer.Option(
            "--resume",
            metavar="RUN",
            help="Go on with what is left of a halted run. (ctl resume TARGET lifts a suspension, "
            "ctl jobs resume JOB a pause.)",
        ),
    ] = None,
    failed_only: Annotated[
        bool, typer.Option("--failed-only", help="With --resume: only what failed, nothing new.")
    ] = False,
    override: Override = None,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Why; kept in the log.")
    ] = None,
    verify: Annotated[
        Path | None,
        typer.Option(
            "--verify", metavar="FILE", help="Allowed signers, one of whom signed the saved plan."
        ),
    ] = None,
) -> int:
    """Do what the plan says; ask before, unless -y is given or a saved plan is applied.

    Refuses declarations that are not committed (exit 4). Ctrl-C stops the waiting; what has been started on
    servers goes on, and the next apply settles it first.
    """
    _guard_wait(ctl, wait=wait, timeout=timeout)
    filters = bool(limit or target or heal)
    if planfile is not None and (filters or allow_dirty or resume):
        raise UsageError(
            "a saved plan is applied as it is",
            hint="leave out -l, --target, --heal, --allow-dirty, --resume",
        )
    if resume is not None and filters:
        raise UsageError("a resumed run has its own servers", hint="leave out -l, --target, --heal")
    if failed_only and resume is None:
        raise UsageError("--failed-only is said with --resume RUN")
    if verify is not None and planfile is None:
        raise UsageError("--verify is for a saved plan", hint="ctl apply PLANFILE --verify FILE")
    overrides = read_overrides(override or (), reason)
    seconds = None if timeout is None else read_duration(timeout, flag="--timeout")
    with ctl.listen() as listener:
        async with ctl.open(write=True, parallel=parallel, listener=listener) as controller:
            outcome = await controller.apply(
                ApplyRequest(
                    planfile=None if planfile is None else ctl.surroundings.cwd / planfile,
                    limit=limit,
                    targets=tuple(target or ()),
                    signers=None if verify is None else ctl.surroundings.cwd / verify,
                    resume=resume,
                    failed_only=failed_only,
                    overrides=overrides,
                    heal=heal,
                    allow_dirty=allow_dirty,
                    wait=wait,
                    timeout=seconds,
                    parallel=parallel,
                    confirm=_confirmer(ctl, controller.state, asking=not yes and planfile is None),
                )
            )
            state = controller.state
    return tell(ctl, outcome, state)


def _guard_wait(ctl: Invocation, *, wait: bool, timeout: str | None) -> None:
    """See that somebody goes on with what nobody here waits for.

    Raises:
        UsageError: nobody would.
    """
    if wait:
        return
    if ctl.way() is None:
        raise UsageError("--no-wait needs --controller", hint="which step is next is decided here")
    if timeout is not None:
        raise UsageError("--timeout is for waiting", hint="leave out --timeout or --no-wait")


def read_overrides(names: Sequence[str], reason: str | None) -> dict[str, str]:
    """Read what a person passes over, each with the reason.

    Raises:
        UsageError: one cannot be passed over, or there is no reason.
    """
    if not names:
        if reason is not None:
            raise UsageError("--reason is said with --override GATE")
        return {}
    for name in names:
        if name not in OVERRIDABLE:
            raise UsageError(
                f"cannot override {name!r}", hint=f"one of {', '.join(sorted(OVERRIDABLE))}"
            )
    if reason is None or not reason.strip():
        raise UsageError("--override needs --reason TEXT", hint="it is kept in the activity log")
    return dict.fromkeys(names, reason.strip())


def _confirmer(ctl: Invocation, state: str, *, asking: bool) -> Confirm:
    def confirm(plan: Plan) -> bool:
        if not ctl.document:
            ctl.print(_plan(ctl, plan, state))
        elif asking:
            ctl.terminal.note(_plan(ctl, plan, state))
        if not asking:
            return True
        servers = len({change.server for change in plan.changes if change.runs})
        return ctl.confirm(f"Apply to {count(servers, 'server')}?", flag="-y")

    return confirm


def _plan(ctl: Invocation, plan: Plan, state: str) -> str:
    style = ctl.terminal.err_style if ctl.document else ctl.terminal.style
    return plan_text(plan, PlanScene(now=ctl.surroundings.clock.now(), style=style, state=state))


def tell(ctl: Invocation, outcome: ApplyOutcome, state: str) -> int:
    """Show how an apply went and choose its exit code."""
    report = outcome.report
    match ctl.format:
        case Format.JSON:
            ctl.print(to_json(report_document(report)))
        case Format.YAML:
            ctl.print(to_yaml(report_document(report)))
        case Format.JSONL:
            ctl.print(to_jsonl(job_document(job) for job in report.jobs))
        case _ if outcome.declined:
            ctl.print("Nothing was touched.")
        case _ if report.run is None and not report.forgotten:
            ctl.print(_plan(ctl, outcome.plan, state))
        case _:
            ctl.print(report_text(report, ctl.terminal.style))
    if outcome.declined:
        return ExitCode.REFUSED
    failed = next((job for job in report.jobs if job.state.ended and job.exit_code), None)
    steps = [f"ctl jobs logs {failed.id}"] if failed else ["ctl status"]
    if report.halted and report.run is not None:
        steps.append(f"ctl apply --resume {report.run.id}")
    ctl.next(*steps)
    return of_report(report)
