"""What a serving controller keeps of itself and of the world over time: parts, contacts, due times, news."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from controller.errors import Unreachable


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One of the parts of a serving controller: api, scheduler or worker.

    `instance` tells processes apart; `seen_at` is its last heartbeat. `failures` counts restarts since it last ran well,
    `error` is why it last stopped.
    """

    name: str
    instance: str
    host: str
    pid: int
    version: str
    started_at: datetime
    seen_at: datetime
    failures: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """How a server was reached over time.

    `since` is when it became (un)reachable; `failures` counts the looks that failed one after the other, and only when they
    are more than the declared retries is it `down`. `flaps` are the newest moments of change, oldest first, at most 20;
    `down_seconds` adds up all downtime that is over. `login_at` is the last time that anybody of us was let in. `looked` are the
    targets whose pairs the last look that reached it took in.
    """

    server: str
    reached: bool
    since: datetime
    checked_at: datetime
    failures: int = 0
    down: bool = False
    cause: Unreachable | None = None
    message: str = ""
    login_at: datetime | None = None
    flaps: tuple[datetime, ...] = ()
    down_seconds: float = 0.0
    looked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A due time of a target's schedule and what became of it: "fired", "skipped" (overlap) or "missed" (coalesced)."""

    target: str
    due: datetime
    at: datetime
    outcome: str
    run: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """Something changed, for those who watch: `kind` such as "job", "run", "target", "server", "repo", "config", "part".

    `seq` counts up over all processes of a state and restarts. `data` is a small document: names, states, times, commits.
    """

    seq: int
    at: datetime
    kind: str
    name: str
    data: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The answer that was given to a request with an idempotency key, to be given again."""

    key: str
    caller: str
    request: str
    """SHA-256 of method, path and body."""
    status: int
    body: str
    at: datetime
