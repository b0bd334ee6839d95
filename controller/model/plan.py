"""A plan: what would happen, as data with reasons. Reasons are for people; nothing branches on them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from controller.model.diagnostic import Diagnostic
from controller.model.ids import Digest, Sha
from controller.model.job import Trigger
from controller.model.rollout import GroupBudget, Order


class Action(StrEnum):
    """What would happen to a pair."""

    ADD = "add"  # no record: the first time
    CHANGE = "change"  # a record with another digest
    REMOVE = "remove"  # the declaration is gone, an undo will run
    FORGET = "forget"  # the declaration is gone, the record goes too
    RUN = "run"  # same digest, started by a schedule, a retry or by hand
    REPAIR = "repair"  # same digest, drift that will be healed
    NONE = "none"  # nothing will run; `drift`, `blocked_by` or `unknown` say why it is shown


class Gate(StrEnum):
    """What can hold a pair back."""

    INACTIVE = "inactive"
    SOURCE = "source"  # the repo's history was rewound or its signature refused
    SUSPENDED = "suspended"
    WINDOW = "window"
    LOCK = "lock"  # another run holds the target
    ON_COMMIT = "on-commit"
    APPROVAL = "approval"
    DEPENDENCY = (
        "dependency"  # a target that comes before is not in sync and will not be by this plan
    )
    BUDGET = "budget"  # max_unavailable of a group, or a rollout that reached its max_failures
    PROTECT = "protect"  # removal of what is protected, or of what `on_remove: block` keeps
    QUARANTINE = "quarantine"  # a commit that was rolled back
    OFFLINE = "offline"
    LAST_FAILED = "last-failed-digest"
    LOST = "lost"  # an attempt without evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """The first gate that says no, in words, and the command that clears it."""

    gate: Gate
    message: str
    clear: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Where a change comes from: the declaration key, and the commit and author that gave it its value."""

    file: str | None = None
    line: int | None = None
    commit: Sha | None = None
    author: str | None = None


class Limit(StrEnum):
    """What the guard between plan and apply measures; the names are those of `--override`."""

    SERVERS = "budget-servers"
    REMOVALS = "budget-removals"
    ZERO = "zero-declarations"


OVERRIDABLE: Final = frozenset(
    {
        Gate.SUSPENDED,
        Gate.WINDOW,
        Gate.APPROVAL,
        Gate.DEPENDENCY,
        Gate.BUDGET,
        Gate.PROTECT,
        Gate.QUARANTINE,
        Gate.LAST_FAILED,
        *Limit,
    }
)
"""What a person may pass over with a reason; the others are facts, not rules."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Excess:
    """A plan touches more than one run may without a named override."""

    limit: Limit
    message: str
    clear: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """One delivered file or checkout that is not as wanted; `what` says how, `diff` is a unified diff, masked.

    `drift`: it is not as it was applied, rather than wanted otherwise now.
    """

    path: str
    what: str
    diff: str = ""
    drift: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One pair that is not simply in sync.

    `inputs` are the names of the inputs that differ. `before` and `after` are input digests. `commands` are the
    rendered commands in order, for people, secret parameters masked. `drift` is the line that says what differs on
    the server. `notes` are remarks such as a secret that could not be compared. `expect` is the SHA-256 of
    the marker that was seen. `files` are the delivered files that are not as wanted. `was` is the (target, server) under
    which the pair was known before a rename.
    """

    target: str
    server: str
    task: str
    action: Action
    wave: int = 1
    trigger: Trigger = Trigger.INPUTS
    reason: str = ""
    cause: Cause = field(default_factory=Cause)
    commit: Sha | None = None
    inputs: tuple[str, ...] = ()
    before: Digest | None = None
    after: Digest | None = None
    expect: Digest | None = None
    commands: tuple[str, ...] = ()
    drift: str | None = None
    blocked_by: Blocker | None = None
    unknown: bool = False
    notes: tuple[str, ...] = ()
    files: tuple[FileChange, ...] = ()
    was: tuple[str, str] | None = None

    @property
    def runs(self) -> bool:
        """Whether `apply` would do something for it."""
        return self.action is not Action.NONE and self.blocked_by is None and not self.unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The frozen last line of a plan, as numbers; `servers` are distinct servers of add, change, remove and run."""

    add: int = 0
    change: int = 0
    remove: int = 0
    run: int = 0
    servers: int = 0
    drifted: int = 0
    blocked: int = 0
    unknown: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The difference between what is declared and what is known, at one moment.

    `commit` is the config repository's; `dirty` says that the work tree differs from it. `digest` is the plan digest:
    SHA-256 over what apply would do. `in_sync` counts pairs that need nothing. `observed_at` is the age of the oldest
    observation used, None without any. `approvable` holds by target the digest that an approval is bound to; `excess` what
    the guard refuses; `orders` and `budgets` what a run of it must keep to. `serial` counts the runs of the state it was made with.
    """

    commit: Sha | None
    dirty: bool = False
    author: str | None = None
    subject: str | None = None
    digest: Digest
    created_at: datetime
    expires_at: datetime | None = None
    observed_at: datetime | None = None
    changes: tuple[Change, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    summary: Summary = field(default_factory=Summary)
    in_sync: int = 0
    servers: int = 0
    scope: Mapping[str, str] = field(default_factory=dict)
    """Filters that made the plan partial: {"limit": ..., "target": ...}."""
    approvable: Mapping[str, Digest] = field(default_factory=dict)
    excess: tuple[Excess, ...] = ()
    orders: Mapping[str, Order] = field(default_factory=dict)
    budgets: tuple[GroupBudget, ...] = ()
    serial: int = 0
