"""Before and after: the moments of jobs and steps that notifications hear of.

A `Listener` is told of each recorded line that begins or ends a job or a step, once: before the first byte of it leaves the
controller, and after its end is durable. It must be quick and must not raise; whoever sends something puts it on a queue of
its own. A process that is killed between a line and its telling never tells it: who must not miss any reads the ledgers.
`Moments` stands in front of whoever watches an engine; `service` puts it there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from controller.jobs.ports import Progress
from controller.model.ids import JobId
from controller.model.job import Event, Job, State


class Moment(StrEnum):
    """What is about to happen, or has happened."""

    BEFORE_JOB = "before-job"
    AFTER_JOB = "after-job"
    BEFORE_STEP = "before-step"
    AFTER_STEP = "after-step"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One moment: the job as it stands then, and the line that was recorded; `step` is set for steps."""

    moment: Moment
    job: Job
    event: Event
    step: str | None = None


Listener = Callable[[Told], None]
"""Hears of moments."""


class Moments:
    """Tells a listener of moments, and whoever watches of everything."""

    def __init__(self, watcher: Progress, listener: Listener) -> None:
        self._watcher = watcher
        self._listener = listener

    def changed(self, job: Job, event: Event) -> None:
        """Hear of an event that was recorded, and of the job after it."""
        moment = moment_of(job, event)
        if moment is not None:
            self._listener(Told(moment=moment, job=job, event=event, step=event.step))
        self._watcher.changed(job, event)

    def output(self, job: JobId, step: str, data: bytes) -> None:
        """Hear of masked output that was stored."""
        self._watcher.output(job, step, data)

    def fetched(self, job: JobId, path: str, done: int, total: int) -> None:
        """Hear how many bytes of a file have arrived."""
        self._watcher.fetched(job, path, done, total)


def moment_of(job: Job, event: Event) -> Moment | None:
    """Say which moment a line is; a job that is taken up again and a further try of a step are none.

    Args:
        job: the job after the line.
        event: the line.
    """
    if event.step is None:
        if event.state.ended and event.state is not State.LOST:
            return Moment.AFTER_JOB
        begins = event.state is State.DISPATCHED and job.started_at == event.at and not event.reason
        return Moment.BEFORE_JOB if begins else None
    if event.attempt is None:
        over = event.state.ended and event.state is not State.LOST
        return Moment.AFTER_STEP if over and _began(job, event.step) else None
    first = event.state is State.DISPATCHED and event.attempt == 1 and event.boot_id is not None
    return Moment.BEFORE_STEP if first else None


def _began(job: Job, step: str) -> bool:
    """Say whether anything of a step was ever sent: one that was skipped has neither a before nor an after."""
    return any(each.name == step and each.attempts for each in job.steps)
