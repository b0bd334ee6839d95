"""What people decided about targets, and what stands until it is lifted: rows of the state, never declarations."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from controller.model.ids import Digest, Sha


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """A target that nothing may run until `until`, or until `ctl resume`."""

    target: str
    reason: str
    by: str
    at: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A yes to exactly what a plan does to a target; `digest` is the target's digest of that plan.

    `proved` says that `by` was proved by a token or a certificate, not merely said.
    """

    target: str
    digest: Digest
    by: str
    at: datetime
    reason: str = ""
    proved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A target held at `commit`; `bad` is the commit it was taken back from.

    `files` are the paths in which `bad` differs from `commit`: a descendant of `bad` that changes one of them lifts the
    pin. Otherwise it ends at `until`, or by `ctl rollback TARGET --lift`.
    """

    target: str
    repo: str
    commit: Sha
    bad: Sha
    files: tuple[str, ...]
    reason: str
    by: str
    at: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignore:
    """Drift of a pair that is not to be shown until `until`; `path` None: all of it."""

    target: str
    server: str
    reason: str
    by: str
    at: datetime
    until: datetime
    path: str | None = None


Fact = Suspension | Approval | Pin | Ignore


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """All that stands, expired facts included."""

    suspensions: Mapping[str, Suspension] = field(default_factory=dict)
    approvals: tuple[Approval, ...] = ()
    pins: Mapping[str, Pin] = field(default_factory=dict)
    ignores: tuple[Ignore, ...] = ()
