"""What the end of an attempt means in a jobs game: how it ended, and whether there will be another try.

Pure, and by the rules of the drivers of `jobs`, which ask the same cores.
"""

from datetime import datetime

from controller.jobs.machine import Signal
from controller.jobs.outcome import FORGOTTEN, NEVER, Outcome, ended, interrupted, lost, never
from controller.jobs.retry import due
from controller.jobs.step import RESENDS
from controller.jobs.verdict import Verdict
from controller.model.ids import AttemptId
from controller.model.job import Attempt, Job, State, StepRun
from controller.model.work import StepWork
from controller.transport.port import AttemptStatus, Phase


def outcome_of(verdict: Verdict, status: AttemptStatus) -> Outcome:
    """Read the end of an attempt."""
    match verdict:
        case Verdict.ENDED:
            return ended(status, status.length)
        case Verdict.INTERRUPTED:
            return interrupted(status, 0 if status.phase is Phase.INTERRUPTED else None)
        case Verdict.NEVER_STARTED:
            return Outcome(signal=Signal.CANCEL, reason=NEVER)
        case _:
            return lost(FORGOTTEN)


def next_try(
    run: StepRun, work: StepWork, outcome: Outcome, number: int, now: datetime
) -> datetime | None:
    """Say when there will be another try after try `number`; None for never."""
    if number != len(run.attempts):
        return None
    before = run.attempts[:-1]
    if outcome.unstarted:
        tried = sum(never(each.reason) for each in before)
        return None if tried >= RESENDS else now
    if outcome.cut_off:
        tried = sum(each.state is State.INTERRUPTED for each in before)
        return now if work.idempotent and tried < RESENDS else None
    unstarted = sum(never(each.reason) for each in run.attempts)
    if number - unstarted > work.retry.limit or not outcome.may_be_tried_again:
        return None
    return due(work.retry, number, run.attempts[-1].finished_at or now)


def attempts_of(job: Job) -> dict[AttemptId, Attempt]:
    """Give all attempts of a job."""
    return {each.id: each for run in job.steps for each in run.attempts}
