"""When a target runs by the clock, and what happens when it still runs."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Overlap(StrEnum):
    """What a run does that becomes due while the one before it is still at work on the target."""

    SKIP = "skip"  # it is left out, and that is recorded
    QUEUE = "queue"  # it begins when the other has ended; several that wait are one
    REPLACE = "replace"  # the other is stopped first


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A cron line by Debian's rules in a time zone, or `every` so many seconds from `anchor` on (1970 in UTC by default).

    Exactly one of `cron` and `every` is set.
    """

    cron: str | None = None
    timezone: str = "UTC"
    every: float | None = None
    anchor: datetime | None = None
