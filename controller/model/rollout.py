"""How a target reaches its servers: in waves, within limits, after others; as declared and as a run was recorded with."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from controller.model.amount import Amount


class WhenOffline(StrEnum):
    """What becomes of a job whose server is not reached."""

    QUEUE = "queue"  # it stays pending
    SKIP = "skip"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """Waves of a target: first `canary` servers, then `batches` one after the other, the last of them repeated.

    `max_failures` is how many servers may fail, be unreachable or be unhealthy, over all waves together, before
    nothing more starts. `pause` and `confirm` are seconds. `health` is a template, run on a server after its steps.
    """

    canary: int = 0
    batches: tuple[Amount, ...] = ()
    max_failures: Amount = field(default_factory=lambda: Amount(number=0))
    pause: float = 0.0
    health: str | None = None
    confirm: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the scheduler of a run must know of one target.

    `max_failures` None: failures stop nothing. `failed` counts servers that already count as failed when the run begins.
    """

    after: tuple[str, ...] = ()
    priority: int = 0
    pause: float = 0.0
    max_failures: int | None = None
    when_offline: WhenOffline = WhenOffline.QUEUE
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupBudget:
    """`max_unavailable` of a group: at most `limit` of `servers` may be worked on or be `down` at once."""

    group: str
    servers: frozenset[str]
    limit: int
    down: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A time in which a target may run: it opens at each due time of the cron line `allow`, for `seconds`."""

    allow: str
    seconds: float
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRule:
    """So many different people must approve; with `not_author` the author of the commit is not counted."""

    required: int = 1
    not_author: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended:
    """A target switched off in its declaration; None as `until`: until the key is removed."""

    reason: str
    until: datetime | None = None
