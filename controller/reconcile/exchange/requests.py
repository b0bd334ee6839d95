"""What the faces ask of a controller, and what it answers: records only.

Written by the faces (`cli`, later `api`), answered by the facade of this room. Times are seconds unless a field
is a datetime (always UTC). Text that came from outside is raw here: the faces show it through `safe_text`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from controller.declaration.written import WrittenTask
from controller.errors import ControllerError, DeclarationError
from controller.model.applied import Applied
from controller.model.condition import Health, Sync
from controller.model.declaration import Declaration
from controller.model.diagnostic import Diagnostic, Severity
from controller.model.ids import JobId, Sha
from controller.model.job import Job, Run, State
from controller.model.observation import RepoSeen, ServerSeen
from controller.model.plan import Change, Plan, Summary
from controller.model.serving import Contact
from controller.model.task import Limits, ResultType
from controller.transport.port import ServerScript


class Stage(StrEnum):
    """Which part of the walk a progress event speaks of."""

    FETCH = "fetch"  # a repo; `subject` is its name
    LOAD = "load"  # declarations
    OBSERVE = "observe"  # a server; `subject` is its name
    SETTLE = "settle"  # work left over from before; `subject` is the job
    JOB = "job"  # a job changed its state; `subject` is the job
    STEP = "step"  # a step changed its state; `subject` is the job
    FILE = "file"  # a file result arrives; `done` and `total` are bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Something happened while people wait; `total` 0 means that nobody knows how much there is."""

    stage: Stage
    subject: str
    message: str = ""
    server: str | None = None
    target: str | None = None
    step: str | None = None
    state: State | None = None
    done: int = 0
    total: int = 0


Listener = Callable[[Progress], None]
"""Takes progress; must be quick and must not raise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated:
    """All findings of one pass; `declaration` is None when one of them is an error."""

    diagnostics: tuple[Diagnostic, ...] = ()
    declaration: Declaration | None = None
    files: int = 0
    """How many files were read."""
    sources: Mapping[str, bytes] = field(default_factory=dict)
    """The bytes of every file a diagnostic names, for code frames."""


class InvalidDeclarationError(DeclarationError):
    """The declarations hold errors; all findings are told at once."""

    reference = "declarations-invalid"

    def __init__(self, diagnostics: tuple[Diagnostic, ...], sources: Mapping[str, bytes]) -> None:
        count = sum(1 for finding in diagnostics if finding.severity is Severity.ERROR)
        super().__init__(
            f"the declarations hold {count} error{'' if count == 1 else 's'}", hint="ctl validate"
        )
        self.diagnostics = diagnostics
        self.sources = sources


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """What to plan.

    `at` plans the declarations of that commit, `between` (from, to) what changes from one commit to the other;
    `as_of` plans as it was at a moment, from what was recorded. All three open no server. `refresh` False opens none
    either and uses what was last seen. `limit` is a selector, `targets` names; empty means all. `heal` treats
    `on_drift: report` as `heal`. `full` asks for changes of pairs in sync, too, as `none`. `overrides` maps a gate or a
    limit of the guard to the reason a person gave.
    """

    at: str | None = None
    as_of: datetime | None = None
    between: tuple[str, str] | None = None
    refresh: bool = True
    limit: str | None = None
    targets: tuple[str, ...] = ()
    heal: bool = False
    full: bool = False
    overrides: Mapping[str, str] = field(default_factory=dict)


Confirm = Callable[[Plan], bool]
"""Shows a plan to a person and says whether to go on; may block (it is called in a thread)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyRequest:
    """What to apply: the saved plan in `planfile`, what is left of the run `resume`, else a plan made now.

    `timeout` bounds the waiting, not the work. `confirm` is asked once before anything is touched, and not at
    all when the plan would do nothing. `overrides` maps a gate or a limit of the guard to the reason a person gave.
    `failed_only` leaves out what the resumed run never began. `signers` is a file of those one of whom must have signed
    the saved plan. Without `wait` the run is left alone when it is recorded; only a controller that stays can do that.
    """

    planfile: Path | None = None
    signers: Path | None = None
    resume: str | None = None
    failed_only: bool = False
    overrides: Mapping[str, str] = field(default_factory=dict)
    limit: str | None = None
    targets: tuple[str, ...] = ()
    heal: bool = False
    allow_dirty: bool = False
    wait: bool = True
    timeout: float | None = None
    parallel: int = 50
    confirm: Confirm


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where an agent listens that is not declared."""

    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """A task, a target or a command to run now on the servers that `on` selects (a target: within its members; None: all).

    A `task` that is not declared is a script that the servers themselves offer, which gets `words` as its arguments; without a
    task or target, `words` are the command. `params` are texts as typed, converted by the parameter's schema. `stdin` goes to
    the first step; `interactive` keeps its input open for `attach`. `outdir` takes `file` results. `user` and `limits` are of
    undeclared work. `address` stands for `on`. `written` is a task that was written for this run alone.
    """

    task: str | None = None
    target: str | None = None
    on: str | None = None
    address: Address | None = None
    words: tuple[str, ...] = ()
    written: WrittenTask | None = None
    user: str | None = None
    limits: Limits = field(default_factory=Limits)
    interactive: bool = False
    params: Mapping[str, str] = field(default_factory=dict)
    stdin: bytes = b""
    outdir: Path | None = None
    detach: bool = False
    timeout: float | None = None
    parallel: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOffers:
    """The scripts that a server offers; `trouble` says why it could not be asked."""

    server: str
    scripts: tuple[ServerScript, ...] = ()
    trouble: ControllerError | None = None


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
class TargetStatus:
    """One line of `ctl status`: wanted and applied commit (the repo's; None when there is none, or several)."""

    target: str
    task: str
    servers: int = 0
    in_sync: int = 0
    wanted: Sha | None = None
    applied: Sha | None = None
    sync: Sync
    health: Health
    reason: str
    """CamelCase."""
    message: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something a person should look at; `subject` is such as "server/web-1"; `clear` the command that helps."""

    subject: str
    reason: str
    message: str
    since: datetime | None = None
    clear: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """One screen. `diagnostics` with errors mean that the newest declarations are invalid (exit 1).

    `upcoming` are the next due times of schedules, by target, the soonest first.
    """

    commit: Sha | None = None
    dirty: bool = False
    author: str | None = None
    subject: str | None = None
    observed_at: datetime | None = None
    targets: tuple[TargetStatus, ...] = ()
    problems: tuple[Problem, ...] = ()
    running: tuple[Job, ...] = ()
    upcoming: tuple[tuple[str, datetime], ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    summary: Summary = field(default_factory=Summary)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sightings:
    """Everything last seen, beside `declared()`: for `ctl get`."""

    servers: Mapping[str, ServerSeen] = field(default_factory=dict)
    repos: Mapping[str, RepoSeen] = field(default_factory=dict)
    records: Mapping[tuple[str, str], Applied] = field(default_factory=dict)
    contacts: Mapping[str, Contact] = field(default_factory=dict)
    """How servers were reached over time; only a controller that stays knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCheck:
    """`ctl check server`: what was seen, and what `uptime` said there (empty when not reached)."""

    seen: ServerSeen
    exit_code: int | None = None
    output: bytes = b""
    took: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoCheck:
    """`ctl check repo`: what was fetched. `branches` maps names to commits."""

    seen: RepoSeen
    previous: Sha | None = None
    subject: str = ""
    author: str = ""
    branches: Mapping[str, Sha] = field(default_factory=dict)
    new_commits: int = 0
    signer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigCheck:
    """`ctl check config`: which commit is in force now and was before, and which is the newest that was let in.

    `error` says why the newest is not in force. `waiting`: nobody has looked in time; the wish stands.
    """

    in_force: Sha | None = None
    previous: Sha | None = None
    commit: Sha | None = None
    error: str | None = None
    error_code: str | None = None
    hint: str | None = None
    waiting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LogChunk:
    """A piece of a job's stored output: step, attempt number, offset in that attempt; `gap` bytes before are gone."""

    step: str
    attempt: int
    offset: int
    data: bytes
    gap: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOffer:
    """A host key as a server shows it now, not trusted by that; `line` is the known_hosts line to be added."""

    name: str
    address: str
    port: int
    line: str
    fingerprint: str
    known: bool = False
    conflicts: bool = False
    """Another key of this type is already pinned for the name."""


class Verdict(StrEnum):
    """How a check of `ctl doctor` ended."""

    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check of `ctl doctor`; `remedy` is a sentence or a command."""

    name: str
    verdict: Verdict
    message: str
    remedy: str | None = None
