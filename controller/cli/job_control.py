"""`ctl jobs stop|pause|resume`: jobs that go on, minded by people."""

from typing import Annotated

import typer

from controller.cli.context import Format, Invocation
from controller.cli.dates import read_duration, span
from controller.cli.exitcodes import ExitCode
from controller.cli.job_words import ONE, JobWord, StepWord, show_job
from controller.cli.options import command
from controller.cli.views.documents import to_json, to_yaml
from controller.cli.views.job import job_text
from controller.errors import UsageError
from controller.model.job import Job, State
from controller.reconcile.documents import job_document

app = typer.Typer()


@command(app, "stop", verb="jobs stop", formats=ONE)
async def stop(
    ctl: Invocation,
    *,
    jobs: Annotated[
        list[str], typer.Argument(metavar="JOB...", help="Unique prefixes of their ids, or @last.")
    ],
    grace: Annotated[
        str, typer.Option("--grace", metavar="DURATION", help="Between TERM and KILL.")
    ] = "10s",
    step: StepWord = None,
) -> int:
    """Stop jobs, or one step: TERM to every process of it, KILL after the grace; wait until none is left.

    A step between two tries is not tried again.
    """
    seconds = read_duration(grace, flag="--grace")
    if step is not None and len(jobs) > 1:
        raise UsageError("--step is for one job", hint="name one JOB")
    async with ctl.open(bare=True) as controller:
        found = {job.id: job for job in [await controller.jobs.find(word) for word in jobs]}
        stopped = [await controller.jobs.stop(job, step=step, grace=seconds) for job in found]
    _show(ctl, stopped)
    return ExitCode.DONE


@command(app, "pause", verb="jobs pause", formats=ONE)
async def pause(
    ctl: Invocation,
    *,
    job: JobWord,
    duration: Annotated[
        str | None,
        typer.Option("--for", metavar="DURATION", help="Go on by itself after so long."),
    ] = None,
    step: StepWord = None,
) -> int:
    """Hold every process of a job on its server where it is, and begin nothing more of it, until it is resumed.

    Without an agent or a cgroup it is done by signals. The time of the task stands still meanwhile.
    """
    seconds = 0.0 if duration is None else read_duration(duration, flag="--for")
    async with ctl.open(bare=True) as controller:
        found = await controller.jobs.find(job)
        held = await controller.jobs.pause(found.id, step=step, seconds=seconds)
    show_job(ctl, held)
    if held.state.ended:
        ctl.note(f"job {held.id} ended before it was held: {held.state}")
    elif not any(each.state is State.PAUSED for each in held.steps):
        ctl.note(f"job {held.id} is held as soon as it can be: it is {held.state} yet")
    elif seconds:
        ctl.note(f"it goes on by itself in {span(seconds)}")
    ctl.next(f"ctl jobs resume {held.id}")
    return ExitCode.DONE


@command(app, "resume", verb="jobs resume", formats=ONE)
async def resume(ctl: Invocation, job: JobWord) -> int:
    """Let a paused job go on.

    To go on with a halted run: ctl apply --resume RUN. To lift the suspension of a target: ctl resume TARGET.
    """
    async with ctl.open(bare=True) as controller:
        found = await controller.jobs.find(job)
        resumed = await controller.jobs.resume(found.id)
    show_job(ctl, resumed)
    ctl.next(f"ctl jobs attach {resumed.id}")
    return ExitCode.DONE


def _show(ctl: Invocation, jobs: list[Job]) -> None:
    """Show one job as it is, several one after the other."""
    if len(jobs) == 1:
        show_job(ctl, jobs[0])
    elif ctl.format is Format.JSON:
        ctl.print(to_json([job_document(job) for job in jobs]))
    elif ctl.format is Format.YAML:
        ctl.print(to_yaml([job_document(job) for job in jobs]))
    else:
        ctl.print("\n\n".join(job_text(job, ctl.terminal.style) for job in jobs))
