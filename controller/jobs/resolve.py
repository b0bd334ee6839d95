"""A person's decision about a lost job: nobody will ever know better, or it is known from elsewhere.

Called by `engine`; calls `crew`, and `claim` so that the server, when it answers, hears of it too.
"""

from controller.errors import LockedError, NotFoundError, RefusedError, TransportError
from controller.jobs.accept import read_secrets
from controller.jobs.assignment import Assignment
from controller.jobs.claim import TargetHold
from controller.jobs.crew import Crew
from controller.jobs.known import recall
from controller.jobs.ledger import Note
from controller.jobs.machine import Signal
from controller.jobs.recovery import unsettled
from controller.model.ids import JobId
from controller.model.job import Job, State


async def resolve(crew: Crew, id_: JobId, *, signal: Signal, reason: str) -> Job:
    """End a lost job as a person says it ended.

    Args:
        crew: does single jobs.
        id_: the job.
        signal: `SUCCEED` or `FAIL`.
        reason: why, in the person's words.

    Raises:
        NotFoundError: there is no such job.
        RefusedError: it is not lost.
    """
    equipment, store = crew.equipment, crew.equipment.store
    job = await store.jobs.get(id_)
    if job is None:
        raise NotFoundError(f"cannot resolve job {id_}: it was never recorded")
    if job.state is not State.LOST:
        raise RefusedError(f"cannot resolve job {id_}: it is {job.state}, not lost")
    body = await store.jobs.body(id_)
    known = await recall(store, [(job, body)])
    told = {"job": id_, "as": signal, "reason": reason}
    await equipment.activity.append("job-resolving", equipment.actor, **told)
    recorder = await crew.recorder(job)
    values = await read_secrets(equipment, body)
    async with crew.links.to(body.server) as link:
        assignment = crew.assignment(recorder, link, body, known, values=values)
        job = await _end(assignment, signal, reason)
    await equipment.activity.conclude("job-resolved", equipment.actor, **told)
    return job


async def _end(assignment: Assignment, signal: Signal, reason: str) -> Job:
    """Write on the server, and then down, how a job ended."""
    job, recorder = assignment.job, assignment.recorder
    if job.target is not None:
        state = State.SUCCEEDED if signal is Signal.SUCCEED else State.FAILED
        await _mark(TargetHold(assignment, job.target), assignment, state)
    await recorder.record(*_notes(job, signal, reason), Note(signal=signal, reason=reason))
    return recorder.job


async def _mark(hold: TargetHold, assignment: Assignment, state: State) -> None:
    """Write the marker where the server answers, else only the record; somebody else's marker stays as it is."""
    try:
        await assignment.link.session()
        await hold.release(state)
    except LockedError:
        return
    except TransportError:
        await hold.remember(state)


def _notes(job: Job, signal: Signal, reason: str) -> list[Note]:
    """End what is open in a job: lost steps as the person says, those that never began as skipped."""
    loose = {attempt.id for attempt in unsettled(job)}
    notes: list[Note] = []
    for step in job.steps:
        notes += [
            Note(signal=signal, step=step.name, attempt=attempt.number, reason=reason)
            for attempt in step.attempts
            if attempt.id in loose
        ]
        if step.state is State.PENDING:
            notes.append(Note(signal=Signal.SKIP, step=step.name, reason=reason))
        elif not step.state.ended or step.state is State.LOST:
            notes.append(Note(signal=signal, step=step.name, reason=reason))
    return notes
