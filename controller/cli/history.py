"""`ctl history`: what ran of a target."""

from typing import Annotated

import typer

from controller.cli.context import Format, Invocation
from controller.cli.deciding import Target
from controller.cli.exitcodes import ExitCode
from controller.cli.options import READING, command
from controller.cli.views.documents import to_json, to_jsonl, to_yaml
from controller.cli.views.history import history_text
from controller.reconcile.documents import history_document

app = typer.Typer()


@command(app, "history", formats=READING)
async def history(
    ctl: Invocation,
    *,
    target: Target,
    limit: Annotated[
        int, typer.Option("-n", "--limit", min=1, max=1000, help="So many runs at most.")
    ] = 20,
) -> int:
    """List the runs of a target, newest first: commit, cause, who, how it ended, how long it took."""
    async with ctl.open() as controller:
        runs = await controller.history(target, limit=limit)
    match ctl.format:
        case Format.JSON:
            ctl.print(to_json([history_document(one) for one in runs]))
        case Format.JSONL:
            ctl.print(to_jsonl(history_document(one) for one in runs))
        case Format.YAML:
            ctl.print(to_yaml([history_document(one) for one in runs]))
        case Format.NAME:
            ctl.print("\n".join(one.sums.run for one in runs))
        case _:
            width = ctl.terminal.width if ctl.format is Format.TABLE else None
            now = ctl.surroundings.clock.now()
            ctl.print(history_text(target, runs, ctl.terminal.style, now, width=width))
    if runs:
        ctl.next(f"ctl jobs list --run {runs[0].sums.run}")
    return ExitCode.DONE
