"""Runs, jobs, steps and attempts: one set of states for all of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from controller.model.declaration import OnRemove, Repo
from controller.model.ids import AttemptId, Digest, JobId, RunId, Sha
from controller.model.inventory import Server
from controller.model.rollout import GroupBudget, Order
from controller.model.wishes import Wishes
from controller.model.work import Work


class State(StrEnum):
    """Where a job, a step or an attempt stands; the arrows are in `jobs/machine.py`."""

    PENDING = "pending"  # recorded, nothing has left the controller
    DISPATCHED = "dispatched"  # sent, not yet known to have started
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # ended with an exit code other than 0
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"  # a reboot, or the supervisor is gone without an exit file
    SKIPPED = "skipped"
    LOST = "lost"  # no evidence yet; the only ended state that may still change

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self not in OPEN


OPEN = frozenset({State.PENDING, State.DISPATCHED, State.RUNNING, State.PAUSED})


class Trigger(StrEnum):
    """Why a job runs."""

    INPUTS = "inputs"  # first time, or an input differs
    DRIFT = "drift"
    RETRY = "retry"
    REMOVAL = "removal"  # the undo of a pair that is no longer declared
    ROLLBACK = "rollback"
    MANUAL = "manual"  # ctl run
    SCHEDULE = "schedule"  # a due time


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try of one step. `number` counts from 1; `length` and `sha256` are of the original output."""

    id: AttemptId
    number: int
    state: State = State.PENDING
    boot_id: str | None = None
    exit_code: int | None = None
    reason: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    stored: int = 0
    length: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRun:
    """One step of a job with its attempts in order and the outputs it gave."""

    name: str
    state: State = State.PENDING
    exit_code: int | None = None
    reason: str | None = None
    attempts: tuple[Attempt, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """Where the output and the artifacts of a job went; `path` is relative to the state's folder where it lies in it.

    `size` and `sha256` are of the archive. `cleared` says that what it holds is gone from where it was.
    """

    at: datetime
    path: str
    size: int
    sha256: Digest
    cleared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One task on one server within a run, as it stands.

    `target` is None for `ctl run TASK`. `digest` is the input digest of `work`. `stop_requested` is a wish, not a
    state, until nothing of the job is left. `commit` is the repo's, `config_commit` the config repository's. `owner` is
    whose work it is, where it is a person's and not declared. `paused` counts the seconds in which nothing of it ran because
    it was held; `paused_at` is since when it is held now. `archived` is set when its output lies in an archive.
    """

    id: JobId
    run: RunId
    target: str | None
    task: str
    server: str
    state: State = State.PENDING
    trigger: Trigger = Trigger.INPUTS
    cause: str = ""
    digest: Digest
    exit_code: int | None = None
    reason: str | None = None
    wave: int = 1
    commit: Sha | None = None
    branch: str | None = None
    previous_commit: Sha | None = None
    config_commit: Sha | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    stop_requested: bool = False
    owner: str = ""
    wishes: Wishes = field(default_factory=Wishes)
    paused_at: datetime | None = None
    paused: float = 0.0
    archived: Archived | None = None
    steps: tuple[StepRun, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobBody:
    """What a job was recorded with and never changes: the work, where it runs and what it may tell the steps.

    `server` is the server as it was declared when the job was planned, so that a job can be settled after its
    declaration is gone. `expect` is the SHA-256 of the marker the job was planned on (None: there was none).
    `facts` are further CTL_* variables (commit message, author, repo). `fed`: the first step was given standard input,
    which is kept nowhere; without it that step is never sent. `repo` is what a checkout is taken from. `undo`, `on_remove`
    and `protect` go into the record when the job succeeds. `removes`: this is an undo, and success deletes the record.
    `was` is the pair under its earlier name, whose record and marker become this one's.
    """

    job: JobId
    server: Server
    work: Work
    project: str = "main"
    expect: Digest | None = None
    manifest: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    committed_at: datetime | None = None
    fed: bool = False
    repo: Repo | None = None
    undo: Work | None = None
    on_remove: OnRemove = OnRemove.FORGET
    protect: bool = False
    removes: bool = False
    was: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of a job's ledger, appended before its effect; `seq` counts from 1 within the job.

    `step` and `attempt` are None for events of the job itself.
    """

    job: JobId
    seq: int
    at: datetime
    state: State
    step: str | None = None
    attempt: int | None = None
    boot_id: str | None = None
    exit_code: int | None = None
    reason: str | None = None
    length: int | None = None
    sha256: str | None = None
    stored: int | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One carrying-out of one plan.

    `orders` are what its scheduler keeps to, by target. `halted` holds by target why nothing more of it was started.
    `resumes` is the halted run that this one goes on with. `overrides` maps what was overridden to the reason given.
    """

    id: RunId
    actor: str
    created_at: datetime
    plan_digest: Digest | None = None
    config_commit: Sha | None = None
    finished_at: datetime | None = None
    title: str = ""
    orders: Mapping[str, Order] = field(default_factory=dict)
    budgets: tuple[GroupBudget, ...] = ()
    halted: Mapping[str, str] = field(default_factory=dict)
    resumes: RunId | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)
