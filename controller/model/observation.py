"""What was last seen of servers and repositories, and when."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from controller.errors import Unreachable
from controller.model.applied import Applied
from controller.model.files import DeliverySeen
from controller.model.ids import Digest, Sha


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSeen:
    """How a target's `check:` ended for the applied `digest`; not zero is drift. `output` is its masked tail."""

    digest: Digest
    exit_code: int
    output: str = ""
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds a target's lock on a server."""

    run: str
    who: str
    controller: str
    boot_id: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkerSeen:
    """A target's marker as read: the record, and the SHA-256 of its exact bytes."""

    record: Applied
    sha256: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSeen:
    """How a machine did at one moment: share of its processors in use (0 to 1), bytes, load averages, seconds since its boot.

    `workers` jobs may run there at once; `running` do, and `waiting` wait.
    """

    at: datetime
    cpu: float
    processors: int
    memory_used: int
    memory_total: int
    disk_used: int
    disk_total: int
    load: tuple[float, ...] = ()
    uptime: float = 0.0
    workers: int = 0
    running: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSeen:
    """One server at one moment.

    `host` is how the machine did, where an agent tells. `limits` are the kinds of limits it can hold (of cpu, memory, pids, io);
    None where it is not known, or an agent judges it. `markers` are by target; a target that is missing there had none. When it was not reached, `cause` and
    `message` say why, and `markers`, `checks` and `locks` are empty.
    """

    server: str
    at: datetime
    reached: bool
    cause: Unreachable | None = None
    message: str = ""
    boot_id: str | None = None
    login: str | None = None
    root: bool = False
    limits: tuple[str, ...] | None = None
    host: HostSeen | None = None
    markers: Mapping[str, MarkerSeen] = field(default_factory=dict)
    checks: Mapping[str, CheckSeen] = field(default_factory=dict)
    locks: Mapping[str, Holder] = field(default_factory=dict)
    deliveries: Mapping[str, DeliverySeen] = field(default_factory=dict)
    """Files and checkouts, by target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepoSeen:
    """The last accepted commit of a repo; `error` when the last look failed."""

    repo: str
    url: str
    accepted: Sha | None = None
    branch: str = ""
    committed_at: datetime | None = None
    checked_at: datetime | None = None
    error: str | None = None
    error_code: str | None = None
    """The reference of the error, such as "history-rewound" or "source-unreachable"."""
