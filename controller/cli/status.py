"""`ctl status`: one screen."""

from typing import Annotated, Final

import typer

from controller.cli.context import Format, Invocation
from controller.cli.exitcodes import ExitCode, of_plan
from controller.cli.options import command
from controller.cli.port import Controller
from controller.cli.standard import while_read
from controller.cli.views.documents import to_json, to_yaml
from controller.cli.views.status import status_text
from controller.errors import UsageError
from controller.model.diagnostic import Severity
from controller.reconcile.documents import status_document
from controller.reconcile.exchange.status import StatusReport

app = typer.Typer()

WATCH_SECONDS: Final = 2.0
HOME: Final = "\x1b[H\x1b[2J"
"""Goes to the first place of an empty screen (ECMA-48: CUP, ED)."""


@command(app, "status", formats=(Format.TABLE, Format.WIDE, Format.JSON, Format.YAML))
async def status(
    ctl: Invocation,
    *,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit codes as of ctl plan.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("-w", "--watch", help="Show it again whenever it changes, until Ctrl-C.")
    ] = False,
) -> int:
    """Show wanted and applied commit, SYNC and HEALTH per target, problems, and what runs now.

    Opens no server. Exit 1 when the newest declarations are not valid.
    """
    if watch and ctl.document:
        raise UsageError(
            "--watch shows a table", hint="ctl logs activity -f -o jsonl follows for programs"
        )
    async with ctl.open() as controller:
        if watch:
            return await while_read(ctl.terminal.out, _watch(ctl, controller))
        report = await controller.status()
        state = controller.state
    _show(ctl, report, state)
    if any(d.severity is Severity.ERROR for d in report.diagnostics):
        if ctl.way() is None:
            ctl.next("ctl validate")
        return ExitCode.ERROR
    ctl.next(report.problems[0].clear or "ctl plan" if report.problems else "ctl plan")
    return of_plan(report.summary, detailed=detailed_exitcode)


def _show(ctl: Invocation, report: StatusReport, state: str) -> None:
    if ctl.format is Format.JSON:
        ctl.print(to_json(status_document(report, state=state)))
    elif ctl.format is Format.YAML:
        ctl.print(to_yaml(status_document(report, state=state)))
    else:
        width = ctl.terminal.width if ctl.format is Format.TABLE else None
        now = ctl.surroundings.clock.now()
        ctl.print(status_text(report, ctl.terminal.style, now, state=state, width=width))


async def _watch(ctl: Invocation, controller: Controller) -> int:
    """Show the status again and again, for ever: on a terminal in place, in a pipe whenever something but the time has changed."""
    shown: object = None
    while True:
        report = await controller.status()
        now = (report.commit, report.targets, report.problems, report.running, report.diagnostics)
        if ctl.terminal.live:
            ctl.print(HOME)
        if ctl.terminal.live or now != shown:
            _show(ctl, report, controller.state)
        shown = now
        await ctl.surroundings.clock.sleep(WATCH_SECONDS)
