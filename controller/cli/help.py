"""`ctl help`: a verb, or the table of exit codes."""

from typing import Annotated

import typer
from typer.main import get_command

from controller.cli.context import Format, Invocation
from controller.cli.exitcodes import TABLE
from controller.cli.options import command
from controller.cli.verbs import VERBS
from controller.cli.views.documents import to_json
from controller.cli.views.tables import table
from controller.errors import NotFoundError

app = typer.Typer()


@command(app, "help", formats=(Format.TABLE, Format.JSON))
def help_(
    ctl: Invocation,
    *,
    topic: Annotated[str, typer.Argument(help="A verb, or exit-codes.")] = "",
) -> int:
    """Explain a verb, or the exit codes of all verbs."""
    if topic == "exit-codes":
        ctl.print(_exit_codes(ctl))
        return 0
    if topic and topic not in VERBS:
        raise NotFoundError(f'no help on "{topic}"', hint="ctl help lists all verbs")
    from controller.cli.app import PROGRAM, build

    arguments = [topic, "--help"] if topic else ["--help"]
    get_command(build([topic]) if topic else build((), listed=VERBS)).main(
        args=arguments, prog_name=PROGRAM, standalone_mode=False
    )
    return 0


def _exit_codes(ctl: Invocation) -> str:
    if ctl.format is Format.JSON:
        return to_json([{"code": c, "plan": plan, "apply": work} for c, plan, work in TABLE])
    heads = ("CODE", "PLAN, STATUS", "APPLY, RUN, JOBS RETRY")
    rows = [(str(code), plan or "-", work) for code, plan, work in TABLE]
    return table(heads, rows, ctl.terminal.style)
