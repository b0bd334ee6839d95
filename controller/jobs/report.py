"""How a run went, counted as people count.

Pure. Made by `engine`, shown by the faces.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from controller.jobs.job import UNREACHABLE
from controller.model.ids import JobId, RunId
from controller.model.job import Job, State

FAILED = frozenset({State.FAILED, State.TIMED_OUT, State.INTERRUPTED, State.LOST})


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many jobs ended how; `refused` of the skipped met another controller's marker or lock (exit 4)."""

    succeeded: int = 0
    failed: int = 0
    unreachable: int = 0
    skipped: int = 0
    cancelled: int = 0
    refused: int = 0
    open: int = 0
    """Started and not seen to end, or not begun: this controller stopped waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """How a run went. `waiting`: the time to wait ran out, or a person stopped waiting, while work went on.

    `troubles` says for which jobs the controller itself could not go on, and why; they are left for the next time.
    """

    run: RunId
    jobs: tuple[Job, ...] = ()
    counts: Counts = field(default_factory=Counts)
    waiting: bool = False
    troubles: Mapping[JobId, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleReport:
    """What was found from before and how it stands now; `waiting` as in a run's report."""

    jobs: tuple[Job, ...] = ()
    waiting: bool = False
    troubles: Mapping[JobId, str] = field(default_factory=dict)


def count(jobs: Iterable[Job]) -> Counts:
    """Count jobs by how they ended."""
    seen = [(_kind(job), job) for job in jobs]
    tally = {name: sum(kind == name for kind, _ in seen) for name in Counts.__slots__}
    tally["refused"] = sum(
        job.state is State.SKIPPED and not any(step.attempts for step in job.steps)
        for _, job in seen
    )
    return Counts(**tally)


def _kind(job: Job) -> str:
    """Say under which word a job is counted."""
    if job.state in FAILED:
        return "failed"
    if job.reason == UNREACHABLE:
        return "unreachable"
    return str(job.state) if job.state.ended else "open"
