"""What is sent for an attempt: text, standard input, environment, user and time, by the kind of its step.

Called by `step`; calls `delivery` and `environment`, and asks for the tree of a repo.
"""

from dataclasses import replace
from datetime import UTC
from typing import Final

from controller.errors import DeclarationError, NotFoundError, SourceError
from controller.jobs.assignment import Assignment
from controller.jobs.delivery import Parcel, pack_checkout, pack_files, pack_guard
from controller.jobs.environment import environment
from controller.jobs.ports import Archive
from controller.model.ids import Sha, attempt_id
from controller.model.job import Job, JobBody
from controller.model.task import Limits
from controller.model.work import StepKind, StepWork, offered_script
from controller.transport.port import AttemptSpec

UNDOING: Final = 3600.0
"""Seconds that undoing a change may take."""
LEAST: Final = 1.0
"""Seconds that every attempt gets."""
OURS: Final = frozenset({StepKind.FILES, StepKind.CHECKOUT, StepKind.CONFIRM})
"""Steps whose texts are the controller's own: they begin as the login, which alone may give things to others."""


async def spec_of(
    assignment: Assignment, step: StepWork, number: int, *, seconds: float
) -> AttemptSpec:
    """Put together what is sent for try `number` of a step.

    Args:
        assignment: the job.
        step: one of its steps.
        number: counts from 1.
        seconds: what is left of the task's own time.

    Raises:
        DeclarationError: it cannot be sent: its environment, a file, the tree, or its standard input is gone.
    """
    work, job = assignment.body.work, assignment.job
    parcel = await _parcel(assignment, step)
    ours = step.kind in OURS
    return AttemptSpec(
        id=attempt_id(job.id, step.name, number),
        job=job.id,
        text=parcel.text,
        shell=None if ours else step.shell,
        stdin=parcel.stdin,
        env=_environment(assignment, step),
        workdir=None if ours else step.workdir or work.workdir,
        user=None if ours else step.user or work.user,
        timeout=_timeout(assignment, step, seconds),
        limits=Limits() if ours else work.limits,
        owner=job.owner,
        interactive=step.interactive,
        script=offered_script(step),
        script_digest=step.script_digest,
        arguments=step.arguments,
    )


async def _parcel(assignment: Assignment, step: StepWork) -> Parcel:
    """Give the text and the standard input of a step."""
    work = assignment.body.work
    user = step.user or work.user
    match step.kind:
        case StepKind.FILES:
            now = assignment.equipment.clock.now().astimezone(UTC)
            return pack_files(work, assignment.values, user=user, at=now)
        case StepKind.CHECKOUT:
            return await _checkout(assignment, user)
        case StepKind.CONFIRM:
            return pack_guard(step, user=user, workdir=step.workdir or work.workdir)
        case _:
            return Parcel(text=step.text.encode(), stdin=_stdin(assignment, step))


async def _checkout(assignment: Assignment, user: str | None) -> Parcel:
    """Fetch the tree of the job's commit, and put its checkout together."""
    job, work = assignment.job, assignment.body.work
    commit, tar = await tree_of(assignment.equipment.archive, job, assignment.body)
    return pack_checkout(work, tar, commit=commit, job=job.id, user=user)


async def tree_of(archive: Archive, job: Job, body: JobBody) -> tuple[Sha, bytes]:
    """Give the commit of a job and its tree as a tar.

    Raises:
        DeclarationError: there is none, or it cannot be delivered.
    """
    if body.repo is None or job.commit is None:
        raise DeclarationError(f"cannot deliver a tree for task {job.task}: it has no repo")
    try:
        return job.commit, await archive(body.repo, job.commit)
    except (SourceError, NotFoundError) as error:
        raise DeclarationError(error.message, hint=error.hint) from error


def _environment(assignment: Assignment, step: StepWork) -> dict[str, str]:
    """Give a step its variables; what delivers gets only ours: no PATH of the task, and no secret."""
    body = assignment.body
    if step.kind in {StepKind.FILES, StepKind.CHECKOUT}:
        bare = replace(body, work=replace(body.work, env={}))
        return environment(assignment.job, bare, replace(step, env={}), {})
    return environment(assignment.job, body, step, assignment.secrets)


def _timeout(assignment: Assignment, step: StepWork, seconds: float) -> float:
    """Say how long an attempt may take; what undoes a change must outlive all the others."""
    limit = assignment.body.work.timeout
    if step.kind is StepKind.CONFIRM:
        return limit + (step.timeout or 0) + UNDOING
    return max(LEAST, min(step.timeout or limit, seconds))


def _stdin(assignment: Assignment, step: StepWork) -> bytes:
    """Give the first step what it is fed with; a process that took the job over does not have it."""
    body = assignment.body
    first = next((each for each in body.work.steps if each.kind is StepKind.COMMAND), None)
    if not body.fed or first is None or first.name != step.name:
        return b""
    if assignment.stdin is None:
        raise DeclarationError(
            f"cannot send step {step.name}: its standard input went with the command that gave it"
        )
    return assignment.stdin
