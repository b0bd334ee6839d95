"""`ctl doctor`: what a controller needs, checked one by one."""

from typing import Annotated

import typer

from controller.cli.context import Format, Invocation
from controller.cli.exitcodes import ExitCode
from controller.cli.options import command
from controller.cli.views.checks import findings_text
from controller.cli.views.documents import to_json, to_yaml
from controller.cli.views.tables import table
from controller.limits import LIMITS
from controller.reconcile.documents import plain
from controller.reconcile.exchange.checks import Verdict

app = typer.Typer()


@command(app, "doctor", formats=(Format.TABLE, Format.JSON, Format.YAML))
async def doctor(
    ctl: Invocation,
    *,
    limits: Annotated[
        bool, typer.Option("--limits", help="Print every limit and what happens at it.")
    ] = False,
) -> int:
    """Check what a controller needs here: git, ssh, the config repository, the state, the logs.

    With --controller: whether that one is well, its parts, its declarations and its logs. Exit 1 when something is bad.
    """
    if limits:
        return _limits(ctl)
    async with ctl.open() as controller:
        findings = await controller.doctor()
    if ctl.format is Format.JSON:
        ctl.print(to_json(list(findings)))
    elif ctl.format is Format.YAML:
        ctl.print(to_yaml(list(findings)))
    else:
        ctl.print(findings_text(findings, ctl.terminal.style))
    bad = any(finding.verdict is Verdict.BAD for finding in findings)
    return ExitCode.ERROR if bad else ExitCode.DONE


def _limits(ctl: Invocation) -> int:
    documents = [plain(limit) for limit in LIMITS]
    if ctl.format is Format.JSON:
        ctl.print(to_json(documents))
    elif ctl.format is Format.YAML:
        ctl.print(to_yaml(documents))
    else:
        heads = ("ROOM", "WHAT", "LIMIT", "AT THE LIMIT")
        rows = [(e.room, e.name, f"{e.number} {e.unit}", e.at_limit) for e in LIMITS]
        ctl.print(table(heads, rows, ctl.terminal.style))
    return ExitCode.DONE
