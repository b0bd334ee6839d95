"""What every adapter refuses, in the same words: the promises of the shelf that are not the database's.

Pure. Called by `memory` and by the shelves of SQLite, so that the twins cannot drift apart.
"""

from collections.abc import Iterable, Sequence

from controller.errors import IllegalTransitionError, NotFoundError
from controller.model.ids import JobId, RunId
from controller.model.job import Event, Job, JobBody, Run, State


def check_fan_out(run: Run, jobs: Sequence[tuple[Job, JobBody]]) -> None:
    """Refuse jobs that are not the run's, bodies that are not the job's, and one id twice."""
    seen: set[JobId] = set()
    for job, body in jobs:
        if job.run != run.id or body.job != job.id:
            raise IllegalTransitionError(
                f"cannot record job {job.id} (run {job.run}, body of {body.job}) in run {run.id}"
            )
        if job.id in seen:
            raise already_recorded("job", job.id)
        seen.add(job.id)


def check_events(job: Job, events: Iterable[Event]) -> None:
    """Refuse events of another job and one `seq` twice."""
    seen: set[int] = set()
    for event in events:
        if event.job != job.id:
            raise IllegalTransitionError(
                f"cannot append an event of job {event.job} to the ledger of job {job.id}"
            )
        if event.seq in seen:
            raise seq_taken(job.id, event.seq)
        seen.add(event.seq)


def may_change(state: State) -> bool:
    """Whether a stored job in this state may still be written."""
    return not state.ended or state is State.LOST


def already_recorded(noun: str, name: RunId | JobId) -> IllegalTransitionError:
    """Say that an id is taken."""
    return IllegalTransitionError(f"cannot record {noun} {name}: it is recorded already")


def seq_taken(job: JobId, *seqs: object) -> IllegalTransitionError:
    """Say that a line of the ledger is taken, one of these."""
    which = " or ".join(str(seq) for seq in seqs)
    return IllegalTransitionError(f"cannot append event {which} to job {job}: its seq is taken")


def has_ended(job: JobId, state: State) -> IllegalTransitionError:
    """Say that the end of a job is written once."""
    return IllegalTransitionError(f"cannot change job {job}: it has ended as {state}")


def has_not_ended(job: JobId, state: State) -> IllegalTransitionError:
    """Say that only what has ended for good is archived."""
    return IllegalTransitionError(f"cannot archive job {job}: it is {state}")


def unknown_job(job: JobId) -> NotFoundError:
    """Say that no such job was recorded."""
    return NotFoundError(f"cannot find job {job}: it was never recorded")
