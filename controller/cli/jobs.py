"""`ctl jobs`: what ran, what it said, and what to do about it; the verbs for jobs that go on and for files lie beside it."""

from typing import Annotated

import typer

from controller.cli import archive, attach, job_control, job_files
from controller.cli.context import Format, Invocation
from controller.cli.exitcodes import ExitCode
from controller.cli.job_words import ONE, JobWord, Raw, raw_stream, show_job
from controller.cli.options import READING, command
from controller.cli.run import tell
from controller.cli.standard import ending, while_read
from controller.cli.views.documents import to_json, to_jsonl, to_yaml
from controller.cli.views.job import jobs_table
from controller.cli.views.output import OutputView
from controller.errors import UsageError
from controller.model.ids import RunId
from controller.model.job import State
from controller.reconcile.documents import job_document

app = typer.Typer()


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
    archived: Annotated[
        bool, typer.Option("--archived", help="Those that were put away, instead.")
    ] = False,
) -> int:
    """List jobs, newest first."""
    async with ctl.open(bare=True) as controller:
        jobs = await controller.jobs.list(
            run=None if run is None else RunId(run),
            target=target,
            server=server,
            archived=archived,
            limit=number,
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
            wide = ctl.format is Format.WIDE
            width = None if wide else ctl.terminal.width
            now = ctl.surroundings.clock.now()
            ctl.print(jobs_table(jobs, ctl.terminal.style, now, width=width, wide=wide))
    return ExitCode.DONE


@command(app, "show", verb="jobs show", formats=ONE)
async def show(ctl: Invocation, job: JobWord) -> int:
    """Show one job with its steps and attempts."""
    async with ctl.open(bare=True) as controller:
        found = await controller.jobs.find(job)
    show_job(ctl, found)
    ctl.next(f"ctl jobs logs {found.id}")
    return ExitCode.DONE


@command(app, "logs", verb="jobs logs", formats=(Format.TABLE, Format.JSONL))
async def logs(
    ctl: Invocation,
    *,
    job: JobWord,
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Until the job has ended.")
    ] = False,
    raw: Raw = False,
) -> int:
    """Print the stored output of a job; gaps are shown where the cap dropped bytes."""
    return await while_read(ctl.terminal.out, _logs(ctl, job, follow=follow, raw=raw))


async def _logs(ctl: Invocation, job: str, *, follow: bool, raw: bool) -> int:
    binary = raw_stream(ctl, verb="jobs logs") if raw else None
    view, empty = OutputView(ctl.terminal.style), True
    async with ctl.open(bare=True) as controller:
        found = await controller.jobs.find(job)
        async with ending(controller.jobs.logs(found.id, follow=follow)) as told:
            async for chunk in told:
                empty = False
                if binary is not None:
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
    job: JobWord,
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


@command(app, "resolve", verb="jobs resolve", formats=ONE)
async def resolve(
    ctl: Invocation,
    *,
    job: JobWord,
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
    show_job(ctl, resolved)
    ctl.next("ctl plan")
    return ExitCode.DONE


for further in (attach.app, job_control.app, archive.app, job_files.app):
    app.add_typer(further)
