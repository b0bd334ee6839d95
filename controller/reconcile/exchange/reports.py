"""How work went: runs, their jobs' results and their output.

Made in `carrying` and `walk`, shown by the faces. Times are seconds. Text that came from outside is raw here: the faces show it through `safe_text`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from controller.model.ids import JobId
from controller.model.job import Job, Run
from controller.model.plan import Change, Plan
from controller.model.task import ResultType


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """How many jobs ended how; `unreachable` are those of reason Unreachable and nothing else.

    `failed` counts failed, timed_out, interrupted and lost; `unhealthy` those of them whose health check failed.
    """

    succeeded: int = 0
    failed: int = 0
    unreachable: int = 0
    skipped: int = 0
    cancelled: int = 0
    unhealthy: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """What a job gave back: masked `output` of its result's type; for `file` the path it was written to.

    `artifact` is the name under which a file is kept with the job.
    """

    job: JobId
    type: ResultType = ResultType.TEXT
    output: bytes = b""
    path: Path | None = None
    artifact: str | None = None
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """How a run went. `run` is None when there was nothing to do.

    `held` are selected changes that a gate kept back. `halted` says by target why the failure limit stopped the rest.
    `waiting`: the time to wait ran out while work went on. `forgotten` counts records that were forgotten.
    """

    run: Run | None = None
    jobs: tuple[Job, ...] = ()
    summary: RunSummary = field(default_factory=RunSummary)
    results: tuple[JobResult, ...] = ()
    held: tuple[Change, ...] = ()
    refused: int = 0
    """How many of the skipped met another controller's marker or lock on the server."""
    troubles: Mapping[JobId, str] = field(default_factory=dict)
    """Jobs the controller itself could not go on with, and why; they are left for the next time."""
    halted: Mapping[str, str] = field(default_factory=dict)
    waiting: bool = False
    forgotten: int = 0
    took: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyOutcome:
    """The plan that was carried out, and how that went; `declined` when a person did not say yes."""

    plan: Plan
    report: RunReport = field(default_factory=RunReport)
    declined: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LogChunk:
    """A piece of a job's stored output: step, attempt number, offset in that attempt; `gap` bytes before are gone."""

    step: str
    attempt: int
    offset: int
    data: bytes
    gap: int = 0
