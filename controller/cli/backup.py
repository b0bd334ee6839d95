"""`ctl backup FILE`: the whole state in one file."""

from pathlib import Path
from typing import Annotated

import typer

from controller.cli.context import Format, Invocation
from controller.cli.exitcodes import ExitCode
from controller.cli.options import command
from controller.cli.views.documents import to_json, to_yaml
from controller.cli.views.words import count, line, size

app = typer.Typer()


@command(app, "backup", formats=(Format.TABLE, Format.JSON, Format.YAML))
async def backup(
    ctl: Invocation,
    *,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What to write, such as ctl.tar.gz.")
    ],
) -> int:
    """Write the state into one file: runs, jobs and their output, records, decisions, tokens, logs.

    Others may go on working meanwhile; what they do later is not in it. Keep it as safe as the state itself: it holds the keys by which secrets
    are compared.
    """
    goal = ctl.surroundings.cwd / file
    async with ctl.open(bare=True, known=True) as controller:
        paper = await controller.backup(goal)
    together = sum(one.size for one in paper.files.values())
    told = {
        "file": str(goal),
        "made_at": paper.made_at,
        "files": len(paper.files),
        "bytes": together,
    }
    if ctl.format is Format.JSON:
        ctl.print(to_json(told))
    elif ctl.format is Format.YAML:
        ctl.print(to_yaml(told))
    else:
        ctl.print(f"wrote {line(str(goal))}: {count(len(paper.files), 'file')}, {size(together)}")
    ctl.next(f"ctl restore {line(str(file))} --state DIR")
    return ExitCode.DONE
