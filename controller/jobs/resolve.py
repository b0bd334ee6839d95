"""A person's decision about a lost job: nobody will ever know better, or it is known from elsewhere.

Called by `engine`; calls `claim` so that the server, when it answers, hears of it too.
"""

from controller.errors import LockedError, TransportError
from controller.jobs.assignment import Assignment
from controller.jobs.claim import TargetHold
from controller.jobs.ledger import Note
from controller.jobs.machine import Signal
from controller.jobs.recovery import unsettled
from controller.model.job import Job, State


async def resolve(assignment: Assignment, *, signal: Signal, reason: str) -> Job:
    """End a lost job as a person says it ended.

    Args:
        assignment: the job, which is lost.
        signal: `SUCCEED` or `FAIL`.
        reason: why, in the person's words.
    """
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
