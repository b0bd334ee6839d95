"""One sentence of status: type, status, reason, message, since, revision."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from controller.model.ids import Sha


class ConditionType(StrEnum):
    """What a condition speaks about."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    DRIFTED = "Drifted"
    REACHABLE = "Reachable"


class Sync(StrEnum):
    """How wanted and applied compare for a target."""

    IN_SYNC = "in-sync"
    PENDING = "pending"
    DRIFTED = "drifted"
    BLOCKED = "blocked"
    UNKNOWN = "unknown"


class Health(StrEnum):
    """How a target fares."""

    OK = "ok"
    RUNNING = "running"
    DEGRADED = "degraded"
    FAILED = "failed"
    SUSPENDED = "suspended"
    OFFLINE = "offline"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One sentence of status; `reason` is CamelCase, `since` moves only when `status` changes."""

    type: ConditionType
    status: bool
    reason: str
    message: str
    since: datetime
    revision: Sha | None = None
