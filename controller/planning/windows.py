"""Windows: whether a target may run now, and when it next may.

Called by `circumstances`. The lines are read by Debian's rules, clock changes included: a line that names an hour which
is skipped opens right after the gap, and in an hour that comes twice it opens once. A window then lasts its seconds on
any clock.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from controller.errors import DeclarationError
from controller.model.rollout import Window

LONGEST: Final = 200
"""Characters of a cron line; more is no line that a person wrote."""
UTC_NAMES: Final = frozenset({"UTC", "Etc/UTC", "Etc/UCT", "Zulu"})
FIELDS: Final = 5
"""Minute, hour, day of month, month, day of week; Debian knows no seconds."""


def is_open(windows: Iterable[Window], now: datetime) -> bool:
    """Say whether one of the windows is open; without any, there is nothing to wait for."""
    asked = tuple(windows)
    return not asked or any(_is_open(window, now) for window in asked)


def next_opening(windows: Iterable[Window], now: datetime) -> datetime | None:
    """Say when the next window opens, in its own zone; None when none ever will."""
    found = (next(due(one.allow, one.timezone, now), None) for one in windows)
    return min((at for at in found if at is not None), default=None)


def closed_words(windows: Iterable[Window], now: datetime, timezone: str) -> str:
    """Say when what is closed opens, in the window's zone and in the person's."""
    opening = next_opening(windows, now)
    if opening is None:
        return "closed: never opens again"
    there, here = str(opening.tzinfo), zone_or_utc(timezone)
    said = f"closed: opens {opening:%a %Y-%m-%d %H:%M} {there}"
    local = opening.astimezone(here)
    if local.utcoffset() == opening.utcoffset() and str(here) == there:
        return said
    date = "" if local.date() == opening.date() else f"{local:%a %Y-%m-%d} "
    return f"{said} ({date}{local:%H:%M} {here})"


def due(line: str, timezone: str, after: datetime) -> Iterator[datetime]:
    """Give the due times of a cron line that come after a moment, in the zone of the line.

    Raises:
        DeclarationError: the line or the zone cannot be read.
    """
    zone = _zone(timezone)
    if len(line) > LONGEST or len(line.split()) != FIELDS:
        raise DeclarationError(f"cannot read the cron line {line[:LONGEST]!r}: it needs 5 fields")
    try:
        times = CronSim(line, after.astimezone(zone))
    except CronSimError as error:
        raise DeclarationError(f"cannot read the cron line {line!r}: {error}") from error
    # Within an hour that comes twice the library starts from its first turn: what is over is left out.
    return (at for at in times if at > after)


def zone_or_utc(timezone: str) -> tzinfo:
    """Give a person's zone for the words of a message; UTC where this machine does not know it."""
    try:
        return _zone(timezone)
    except DeclarationError:
        return UTC


def _is_open(window: Window, now: datetime) -> bool:
    # Open from a due time on, for so many seconds: the first one after `now - seconds` has come.
    since = now.astimezone(UTC) - timedelta(seconds=window.seconds)
    opened = next(due(window.allow, window.timezone, since), None)
    return opened is not None and opened <= now


def _zone(timezone: str) -> tzinfo:
    if timezone in UTC_NAMES:
        return UTC
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise DeclarationError(f"cannot find the time zone {timezone[:LONGEST]!r}") from error
