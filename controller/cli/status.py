"""`ctl status`: one screen."""

from typing import Annotated

import typer

from controller.cli.context import Format, Invocation
from controller.cli.exitcodes import ExitCode, of_plan
from controller.cli.options import command
from controller.cli.views.documents import to_json, to_yaml
from controller.cli.views.status import status_text
from controller.model.diagnostic import Severity
from controller.reconcile.documents import status_document

app = typer.Typer()


@command(app, "status", formats=(Format.TABLE, Format.WIDE, Format.JSON, Format.YAML))
async def status(
    ctl: Invocation,
    *,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit codes as of ctl plan.")
    ] = False,
) -> int:
    """Show wanted and applied commit, SYNC and HEALTH per target, problems, and what runs now.

    Opens no server. Exit 1 when the newest declarations are not valid.
    """
    async with ctl.open() as controller:
        report = await controller.status()
        state = controller.state
    if ctl.format is Format.JSON:
        ctl.print(to_json(status_document(report, state=state)))
    elif ctl.format is Format.YAML:
        ctl.print(to_yaml(status_document(report, state=state)))
    else:
        width = ctl.terminal.width if ctl.format is Format.TABLE else None
        now = ctl.surroundings.clock.now()
        ctl.print(status_text(report, ctl.terminal.style, now, state=state, width=width))
    if any(d.severity is Severity.ERROR for d in report.diagnostics):
        if ctl.way() is None:
            ctl.next("ctl validate")
        return ExitCode.ERROR
    ctl.next(report.problems[0].clear or "ctl plan" if report.problems else "ctl plan")
    return of_plan(report.summary, detailed=detailed_exitcode)
