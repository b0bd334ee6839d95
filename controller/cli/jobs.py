"""`ctl jobs`: what ran, what it said, and what to do about it."""

from pathlib import Path
from typing import Annotated

import typer

from controller.cli.context import Format, Invocation
from controller.cli.dates import read_duration
from controller.cli.exitcodes import ExitCode
from controller.cli.options import READING, command
from controller.cli.run import tell
from controller.cli.views.documents import to_json, to_jsonl, to_yaml
from controller.cli.views.job import job_document, job_text, jobs_table
from controller.cli.views.output import OutputView
from controller.cli.views.tables import table
from controller.cli.views.words import line
from controller.errors import UsageError
from controller.model.ids import RunId
from controller.model.job import Job, State

app = typer.Typer()

JobId = Annotated[str, typer.Argument(metavar="JOB", help="A unique prefix of its id, or @last.")]
ONE = (Format.TABLE, Format.JSON, Format.YAML)


@command(app, "list", verb="jobs list", formats=READING)
async def list_(
    ctl: Invocation,
    *,
    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN", help="Only of this run.")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", metavar="NAME", help="Only of this target.")
    ] = None,
    server: Annotated[
        str | None, typer.Option("--server", metavar="NAME", help="Only on this server.")
    ] = None,
    number: Annotated[
        int, typer.Option("-n", min=1, max=10_000, metavar="N", help="So many.")
    ] = 50,
) -> int:
    """List jobs, newest first."""
    async with ctl.open() as controller:
        jobs = await controller.jobs.list(
            run=None if run is None else RunId(run), target=target, server=server, limit=number
        )
    documents = [job_document(job) for job in jobs]
    match ctl.format:
        case Format.JSON:
            ctl.print(to_json(documents))
        case Format.YAML:
            ctl.print(to_yaml(documents))
        case Format.JSONL:
            ctl.print(to_jsonl(documents))
        case Format.NAME:
            ctl.print("\n".join(job.id for job in jobs))
        case _:
            width = ctl.terminal.width if ctl.format is Format.TABLE else None
            now = ctl.surroundings.clock.now()
            ctl.print(jobs_table(jobs, ctl.terminal.style, now, width=width))
    return ExitCode.DONE


@command(app, "show", verb="jobs show", formats=ONE)
async def show(ctl: Invocation, job: JobId) -> int:
    """Show one job with its steps and attempts."""
    async with ctl.open() as controller:
        found = await controller.jobs.find(job)
    _show(ctl, found)
    ctl.next(f"ctl jobs logs {found.id}")
    return ExitCode.DONE


def _show(ctl: Invocation, job: Job) -> None:
    match ctl.format:
        case Format.JSON:
            ctl.print(to_json(job_document(job)))
        case Format.YAML:
            ctl.print(to_yaml(job_document(job)))
        case _:
            ctl.print(job_text(job, ctl.terminal.style))


@command(app, "logs", verb="jobs logs", formats=(Format.TABLE, Format.JSONL))
async def logs(
    ctl: Invocation,
    *,
    job: JobId,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Until the job has ended.")
    ] = False,
    raw: Annotated[
        bool,
        typer.Option("--raw", help="The bytes as they are (secrets masked); not to a terminal."),
    ] = False,
) -> int:
    """Print the stored output of a job; gaps are shown where the cap dropped bytes."""
    binary = getattr(ctl.terminal.out, "buffer", None)
    if raw and (binary is None or ctl.terminal.out.isatty()):
        raise UsageError(
            "--raw does not write to a terminal", hint="ctl jobs logs JOB --raw > FILE"
        )
    view, empty = OutputView(ctl.terminal.style), True
    async with ctl.open() as controller:
        found = await controller.jobs.find(job)
        async for chunk in controller.jobs.logs(found.id, follow=follow):
            empty = False
            if raw and binary is not None:
                binary.write(chunk.data)
                binary.flush()
            elif ctl.format is Format.JSONL:
                ctl.print(to_jsonl([chunk]))
            else:
                ctl.print(view.feed(chunk))
    if empty:
        ctl.note(f"job {found.id} ({found.state}) has no output")
    elif not raw and not ctl.document:
        ctl.print(view.finish())
    return ExitCode.DONE


@command(app, "retry", verb="jobs retry", formats=ONE)
async def retry(
    ctl: Invocation,
    *,
    job: JobId,
    failed_only: Annotated[
        bool, typer.Option("--failed-only", help="Leave out steps that succeeded.")
    ] = False,
) -> int:
    """Run a job's work again, under the gates of today."""
    with ctl.listen() as listener:
        async with ctl.open(write=True, listener=listener) as controller:
            found = await controller.jobs.find(job)
            report = await controller.jobs.retry(found.id, failed_only=failed_only)
    return tell(ctl, report)


@command(app, "stop", verb="jobs stop", formats=ONE)
async def stop(
    ctl: Invocation,
    *,
    job: JobId,
    grace: Annotated[
        str, typer.Option("--grace", metavar="DURATION", help="Between TERM and KILL.")
    ] = "10s",
    step: Annotated[
        str | None, typer.Option("--step", metavar="NAME", help="Stop this step only.")
    ] = None,
) -> int:
    """Stop a job, or one step: TERM to every process of it, KILL after the grace; wait until none is left."""
    seconds = read_duration(grace, flag="--grace")
    async with ctl.open() as controller:
        found = await controller.jobs.find(job)
        stopped = await controller.jobs.stop(found.id, step=step, grace=seconds)
    _show(ctl, stopped)
    return ExitCode.DONE


@command(app, "resolve", verb="jobs resolve", formats=ONE)
async def resolve(
    ctl: Invocation,
    *,
    job: JobId,
    as_: Annotated[str, typer.Option("--as", metavar="succeeded|failed", help="How it ended.")],
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="How you know, for the log.")
    ],
) -> int:
    """Decide how a lost job ended, when you know it and the server cannot say."""
    if as_ not in {State.SUCCEEDED, State.FAILED}:
        raise UsageError(f'--as takes succeeded or failed, not "{as_}"')
    if not reason.strip():
        raise UsageError("--reason is empty", hint="it goes into the activity log")
    async with ctl.open(write=True) as controller:
        found = await controller.jobs.find(job)
        resolved = await controller.jobs.resolve(found.id, state=State(as_), reason=reason)
    _show(ctl, resolved)
    ctl.next("ctl plan")
    return ExitCode.DONE


@command(app, "artifacts", verb="jobs artifacts", formats=(Format.TABLE, Format.JSON, Format.NAME))
async def artifacts(
    ctl: Invocation,
    *,
    job: JobId,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Which; default all.")
    ] = None,
    outdir: Annotated[
        Path | None, typer.Option("--outdir", metavar="DIR", help="Fetch them into this folder.")
    ] = None,
) -> int:
    """List what a job left in CTL_ARTIFACTS, or fetch it with --outdir. Artifacts are not masked."""
    if names and outdir is None:
        raise UsageError("names are for fetching", hint="add --outdir DIR")
    async with ctl.open() as controller:
        found = await controller.jobs.find(job)
        sizes = await controller.jobs.artifacts(found.id)
        if outdir is not None:
            folder = ctl.surroundings.cwd / outdir
            for path in await controller.jobs.fetch(found.id, tuple(names or sizes), folder):
                ctl.print(line(str(path)))
            return ExitCode.DONE
    match ctl.format:
        case Format.JSON:
            ctl.print(to_json([{"name": name, "size": size} for name, size in sizes.items()]))
        case Format.NAME:
            ctl.print("\n".join(line(name) for name in sizes))
        case _:
            rows = [(name, str(size)) for name, size in sizes.items()]
            ctl.print(table(("NAME", "BYTES"), rows, ctl.terminal.style))
    return ExitCode.DONE
