"""What to do with the jobs that were left behind.

Pure. Reads jobs as they stand in their ledgers; asked by `engine` before anything new is planned. The law: nothing
that succeeded and nothing that may have started is ever started again (`verdict` weighs what may have started).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from controller.model.ids import JobId
from controller.model.job import Attempt, Job, State


class Move(StrEnum):
    """What becomes of a job that is still open."""

    DROP = "drop"  # nothing of it ever left: end it, it will be planned anew unless its rollout is halted
    RESUME = "resume"  # attach what may run, then go on with the steps that never began


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """One job and what becomes of it; `attach` are the attempts whose end nobody has seen."""

    job: JobId
    move: Move
    attach: tuple[Attempt, ...] = ()


def recover(jobs: Iterable[Job]) -> tuple[Recovery, ...]:
    """Decide about every job that has not ended, and every lost one, in the order given."""
    found: list[Recovery] = []
    for job in jobs:
        if job.state is State.PENDING:
            found.append(Recovery(job=job.id, move=Move.DROP))
        elif not job.state.ended or job.state is State.LOST:
            found.append(Recovery(job=job.id, move=Move.RESUME, attach=unsettled(job)))
    return tuple(found)


def unsettled(job: Job) -> tuple[Attempt, ...]:
    """List the attempts that may have started and whose end nobody has seen."""
    return tuple(
        attempt
        for step in job.steps
        for attempt in step.attempts
        if not attempt.state.ended or attempt.state is State.LOST
    )
