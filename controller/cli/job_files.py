"""`ctl jobs artifacts` and `ctl jobs workspace`: files of jobs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.context import Format, Invocation
from controller.cli.exitcodes import ExitCode
from controller.cli.job_words import JobWord
from controller.cli.options import command
from controller.cli.views.documents import to_json
from controller.cli.views.files import files_document, files_table, moved_document, moved_table
from controller.cli.views.words import line
from controller.errors import UsageError
from controller.reconcile.exchange.answers import Moved

app = typer.Typer()
workspace = typer.Typer()
app.add_typer(
    workspace, name="workspace", help="Files of the folder in which a job works on its server."
)

LISTED = (Format.TABLE, Format.JSON, Format.NAME)
MOVED = (Format.TABLE, Format.JSON)
Names = Annotated[list[str] | None, typer.Argument(metavar="[PATH]...", help="Which; default all.")]
Outdir = Annotated[Path, typer.Option("--outdir", metavar="DIR", help="Into this folder.")]


@command(app, "artifacts", verb="jobs artifacts", formats=LISTED)
async def artifacts(
    ctl: Invocation,
    *,
    job: JobWord,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Which; default all.")
    ] = None,
    outdir: Annotated[
        Path | None, typer.Option("--outdir", metavar="DIR", help="Fetch them into this folder.")
    ] = None,
) -> int:
    """List what a job left in CTL_ARTIFACTS, or fetch it with --outdir. Artifacts are not masked.

    A fetch that was interrupted goes on where it ended.
    """
    if names and outdir is None:
        raise UsageError("names are for fetching", hint="add --outdir DIR")
    moved: Sequence[Moved] = ()
    with ctl.listen() as listener:
        async with ctl.open(bare=True, listener=listener) as controller:
            found = await controller.jobs.find(job)
            sizes = await controller.jobs.artifacts(found.id)
            if outdir is not None:
                folder = ctl.surroundings.cwd / outdir
                moved = await controller.jobs.fetch(found.id, tuple(names or sizes), folder)
    if outdir is None:
        _list(ctl, sizes)
    else:
        _tell(ctl, moved)
    return ExitCode.DONE


@command(workspace, "ls", verb="jobs workspace ls", formats=LISTED)
async def ls(ctl: Invocation, job: JobWord) -> int:
    """List the files of the folder in which a job works."""
    async with ctl.open(bare=True) as controller:
        found = await controller.jobs.find(job)
        sizes = await controller.jobs.workspace(found.id)
    _list(ctl, sizes)
    return ExitCode.DONE


@command(workspace, "get", verb="jobs workspace get", formats=MOVED)
async def get(
    ctl: Invocation, *, job: JobWord, paths: Names = None, outdir: Outdir = Path()
) -> int:
    """Fetch files; a fetch that was interrupted goes on where it ended. What is there is not overwritten."""
    with ctl.listen() as listener:
        async with ctl.open(bare=True, listener=listener) as controller:
            found = await controller.jobs.find(job)
            folder = ctl.surroundings.cwd / outdir
            moved = await controller.jobs.get(found.id, tuple(paths or ()), folder)
    _tell(ctl, moved)
    return ExitCode.DONE


@command(workspace, "put", verb="jobs workspace put", formats=MOVED)
async def put(
    ctl: Invocation,
    *,
    job: JobWord,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of this machine.")],
    name: Annotated[
        str | None, typer.Option("--as", metavar="PATH", help="Where it goes; for one FILE.")
    ] = None,
    executable: Annotated[
        bool, typer.Option("--executable", help="It is a program there.")
    ] = False,
) -> int:
    """Write files into the folder, each whole or not at all; what is there under the name is replaced."""
    if name is not None and len(files) > 1:
        raise UsageError("--as is for one file", hint="name one FILE")
    with ctl.listen() as listener:
        async with ctl.open(bare=True, listener=listener) as controller:
            found = await controller.jobs.find(job)
            moved = [
                await controller.jobs.put(
                    found.id,
                    ctl.surroundings.cwd / file,
                    name or file.name,
                    executable=executable,
                )
                for file in files
            ]
    _tell(ctl, moved)
    return ExitCode.DONE


@command(workspace, "rm", verb="jobs workspace rm")
async def rm(
    ctl: Invocation,
    *,
    job: JobWord,
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Which.")],
) -> int:
    """Delete files of the folder."""
    async with ctl.open(bare=True) as controller:
        found = await controller.jobs.find(job)
        await controller.jobs.remove(found.id, tuple(paths))
    return ExitCode.DONE


def _list(ctl: Invocation, sizes: Mapping[str, int]) -> None:
    match ctl.format:
        case Format.JSON:
            ctl.print(to_json(files_document(sizes)))
        case Format.NAME:
            ctl.print("\n".join(line(name) for name in sizes))
        case _:
            ctl.print(files_table(sizes, ctl.terminal.style))


def _tell(ctl: Invocation, moved: Sequence[Moved]) -> None:
    match ctl.format:
        case Format.JSON:
            ctl.print(to_json(moved_document(moved)))
        case Format.NAME:
            ctl.print("\n".join(line(str(one.path)) for one in moved))
        case _:
            ctl.print(moved_table(moved, ctl.terminal.style))
