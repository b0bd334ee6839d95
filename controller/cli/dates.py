"""Times for people: ages in words, moments in UTC, durations read and written. Programs get `documents.iso`."""

import re
from datetime import datetime, timedelta
from typing import Final

from controller.errors import UsageError

_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION: Final = re.compile(r"(\d{1,9})([smhd])")
_STEPS: Final = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def age(then: datetime, now: datetime) -> str:
    """Say how long ago something was: "just now", "12 min ago", "3 h ago"."""
    seconds = (now - then).total_seconds()
    if seconds < 0:
        return moment(then)
    if seconds < 1:
        return "just now"
    return f"{span(seconds)} ago"


def span(seconds: float) -> str:
    """Say a duration in its largest fitting unit: "850 ms", "12 s", "3 h"."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    for size, unit in _STEPS:
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}" if size > 1 else f"{seconds:.0f} s"
    return "0 s"


def moment(at: datetime) -> str:
    """Say a moment to the second, in UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S}Z"


def read_duration(text: str, *, flag: str) -> float:
    """Read `30s 5m 12h 7d` as seconds.

    Raises:
        UsageError: it is none of these.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise UsageError(f'{flag} takes a duration, not "{text}"', hint="such as 30s, 5m, 12h, 7d")
    return int(found[1]) * _UNITS[found[2]]


def read_since(text: str, now: datetime, *, flag: str) -> datetime:
    """Read a duration ago, or a moment such as 2026-01-31 or 2026-01-31T12:00:00Z.

    Raises:
        UsageError: it is neither.
    """
    if _DURATION.fullmatch(text):
        return now - timedelta(seconds=read_duration(text, flag=flag))
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f'{flag} takes a time or a duration ago, not "{text}"', hint="such as 2h or 2026-01-31"
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=now.tzinfo)
