"""`ctl jobs archive`: put ended jobs away."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.context import Format, Invocation
from controller.cli.dates import read_duration
from controller.cli.exitcodes import ExitCode
from controller.cli.options import command
from controller.cli.port import JobsPort
from controller.cli.views.documents import to_json
from controller.cli.views.tables import table
from controller.cli.views.words import count, size
from controller.errors import UsageError
from controller.model.job import Job
from controller.reconcile.documents import plain

app = typer.Typer()


@command(app, "archive", verb="jobs archive", formats=(Format.TABLE, Format.JSON, Format.NAME))
async def archive(
    ctl: Invocation,
    *,
    jobs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[JOB]...", help="Unique prefixes of their ids, or @last."),
    ] = None,
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", metavar="DURATION", help="All that ended so long ago."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="A folder for the archives; default archive/YEAR of the state.",
        ),
    ] = None,
) -> int:
    """Put ended jobs away, each into one JOB.tar.gz with its ledger, output and artifacts.

    They leave `ctl jobs list` (`--archived` lists them) and are shown by `jobs show` and `jobs logs` all the same, as long as the archive stays
    where it is.
    """
    if bool(jobs) == bool(older_than):
        raise UsageError("name jobs, or --older-than DURATION", hint="--older-than 30d")
    folder = None if out is None else ctl.surroundings.cwd / out
    async with ctl.open(bare=True) as controller:
        if older_than is None:
            found = [await controller.jobs.find(word) for word in jobs or ()]
            ids = tuple(dict.fromkeys(job.id for job in found))
            done = await controller.jobs.archive(ids, out=folder)
        else:
            seconds = read_duration(older_than, flag="--older-than")
            done = await _older(ctl, controller.jobs, seconds, folder)
    _show(ctl, done)
    return ExitCode.DONE


async def _older(
    ctl: Invocation, jobs: JobsPort, seconds: float, out: Path | None
) -> tuple[Job, ...]:
    """Archive what is old, a part at a time."""
    before, done = ctl.surroundings.clock.now() - timedelta(seconds=seconds), list[Job]()
    while part := await jobs.archive_older(before, out=out):
        done += part
        ctl.note(f"{count(len(done), 'job')} archived")
    return tuple(done)


def _show(ctl: Invocation, jobs: Sequence[Job]) -> None:
    made = [(job, job.archived) for job in jobs if job.archived is not None]
    match ctl.format:
        case Format.JSON:
            ctl.print(to_json([{"job": job.id, **_document(at)} for job, at in made]))
        case Format.NAME:
            ctl.print("\n".join(job.id for job, _ in made))
        case _ if not made:
            ctl.note("nothing to archive")
        case _:
            rows = [(job.id, size(at.size), at.sha256[:16], at.path) for job, at in made]
            ctl.print(table(("JOB", "SIZE", "SHA-256", "PATH"), rows, ctl.terminal.style))


def _document(archived: object) -> dict[str, object]:
    told = plain(archived)
    return dict(told) if isinstance(told, dict) else {}
