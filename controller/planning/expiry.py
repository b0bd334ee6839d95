"""What ends, and when people are warned of it: so many days before, once for each threshold.

Called by the loop's reconciler of endings. Pure: what ends comes in as values, what was told before as the keys of those warnings.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

DAYS: Final = (30, 7, 1)
"""Days before an end at which people are warned; a last time when it has come."""
OVER: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Something that is good until a moment.

    `subject` names it for machines, such as "secret/forge-token", `title` for people. `began` is since when it is good, where
    that is known: what lives for a day is not warned of 30 days before. `lines` say who will miss it.
    """

    subject: str
    title: str
    ends: datetime
    began: datetime | None = None
    lines: tuple[str, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Warn:
    """A warning that is due; `days` is the threshold that was passed last, 0 when the end has come."""

    ending: Ending
    days: int

    @property
    def key(self) -> str:
        """Tell this warning from every other, those of an earlier or later end of the same subject included."""
        return f"{self.ending.ends.isoformat()} {self.days}"


def warnings(endings: Iterable[Ending], told: Mapping[str, str], now: datetime) -> list[Warn]:
    """Say what people are to be warned of now.

    Args:
        endings: everything that ends.
        told: by subject the key of the newest warning that was given.
        now: the moment.
    """
    due = (Warn(ending=one, days=days) for one in endings if (days := passed(one, now)) is not None)
    return sorted(
        (one for one in due if told.get(one.ending.subject) != one.key),
        key=lambda one: (one.ending.ends, one.ending.subject),
    )


def passed(ending: Ending, now: datetime) -> int | None:
    """Give the threshold that was passed last; None when there is time."""
    return min((days for days in _thresholds(ending) if _at(ending, days) <= now), default=None)


def next_warning(endings: Iterable[Ending], now: datetime) -> datetime | None:
    """Say when the next threshold is passed; None when there is none."""
    moments = (_at(one, days) for one in endings for days in _thresholds(one))
    return min((at for at in moments if at > now), default=None)


def title_of(warn: Warn, now: datetime) -> str:
    """Say in one line what ends when."""
    ends = warn.ending.ends
    if warn.days == OVER:
        return f"{warn.ending.title} ended on {ends:%Y-%m-%d %H:%M} UTC"
    left = ends - now
    if left < timedelta(days=1):
        many = f"within {max(1, round(left.total_seconds() / 3_600))} h"
    else:
        many = "in 1 day" if left.days == 1 else f"in {left.days} days"
    return f"{warn.ending.title} ends {many}, on {ends:%Y-%m-%d %H:%M} UTC"


def _thresholds(ending: Ending) -> tuple[int, ...]:
    if ending.began is None:
        return (*DAYS, OVER)
    life = ending.ends - ending.began
    return (*(days for days in DAYS if timedelta(days=days) < life), OVER)


def _at(ending: Ending, days: int) -> datetime:
    return ending.ends - timedelta(days=days)
