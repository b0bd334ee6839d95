"""How a run went, counted as people count.

Pure. Made by `engine`, shown by the faces.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from controller.jobs.job import UNREACHABLE
from controller.jobs.reasons import HALTED
from controller.jobs.tally import Fate, fate_of
from controller.model.ids import JobId, RunId
from controller.model.job import Job, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many jobs ended how.

    `unhealthy` are among the failed. `refused` are among the skipped: a marker, a lock, a dependency or a budget was in
    their way (exit 4).
    """

    succeeded: int = 0
    failed: int = 0
    unhealthy: int = 0
    unreachable: int = 0
    skipped: int = 0
    cancelled: int = 0
    refused: int = 0
    open: int = 0
    """Started and not seen to end, or not begun: this controller stopped waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """How a run went. `waiting`: the time to wait ran out, or a person stopped waiting, while work went on.

    `halted` says by target why nothing more of it was started. `troubles` says for which jobs the controller itself could
    not go on, and why; they are left for the next time.
    """

    run: RunId
    jobs: tuple[Job, ...] = ()
    counts: Counts = field(default_factory=Counts)
    waiting: bool = False
    halted: Mapping[str, str] = field(default_factory=dict)
    troubles: Mapping[JobId, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleReport:
    """What was found from before and how it stands now; `waiting` as in a run's report."""

    jobs: tuple[Job, ...] = ()
    waiting: bool = False
    troubles: Mapping[JobId, str] = field(default_factory=dict)


def count(jobs: Iterable[Job]) -> Counts:
    """Count jobs by how they ended."""
    seen = list(jobs)
    kinds = Counter(map(_kind, seen))
    return Counts(
        **kinds,
        unhealthy=sum(fate_of(job) is Fate.UNHEALTHY for job in seen),
        refused=sum(map(_was_refused, seen)),
    )


def _kind(job: Job) -> str:
    """Say under which word a job is counted."""
    match fate_of(job):
        case None:
            return "open"
        case Fate.FAILED | Fate.UNHEALTHY:
            return "failed"
        case Fate.UNREACHABLE:
            return "unreachable"
        case _:
            return str(job.state)


def _was_refused(job: Job) -> bool:
    """Whether something stood in the way of a job: it was not begun, and neither a halt nor its server is why."""
    not_begun = job.state is State.SKIPPED and not any(step.attempts for step in job.steps)
    return not_begun and job.reason not in {HALTED, UNREACHABLE}
