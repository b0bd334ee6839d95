"""Cron lines and time zones as they are written: which can be read, and what is wrong with the others.

Cron lines are read by Debian's rules; zones are those of the time zone database of this machine. Called by `windows` and
`schedules`.
"""

from datetime import datetime
from functools import cache, lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cronsim import CronSim, CronSimError

from controller.declaration.block import Block
from controller.declaration.marks import Key
from controller.declaration.suggest import did_you_mean
from controller.declaration.wishes import Wishes

FIELDS: Final = 5
SOME_DAY: Final = datetime(2000, 1, 1)  # noqa: DTZ001 - a cron line falls due in any zone or in none
UTC_NAME: Final = "UTC"
MOST_WORDS: Final = 1_000
"""Different cron lines and zones of one declaration."""


class Crons:
    """Judges the lines and zones of one declaration; looking into a line takes milliseconds, so their number has a bound."""

    def __init__(self, wishes: Wishes) -> None:
        self._findings = wishes.findings
        self._judged: set[str] = set()

    def judge(self, block: Block, path: tuple[Key, ...], key: str, line: str, zone: str) -> None:
        """Report what is wrong with the line under `key` of the mapping at `path`, and with its `timezone`."""
        if not self._within_bounds(block, path, line, zone):
            return
        wrong = wrong_cron(line)
        if wrong:
            self._findings.error(
                "bad-cron",
                f"cannot use {line[:60]!r} as a cron line: {wrong}",
                block.where(*path, key, value=True),
                "the fields are minute, hour, day of month, month, day of week: 0 9 * * 1-5",
            )
        if not known_zone(zone):
            self._findings.error(
                "unknown-timezone",
                f"cannot find the time zone {zone}",
                block.where(*path, "timezone", value=True),
                _zone_hint(zone),
            )

    def _within_bounds(self, block: Block, path: tuple[Key, ...], *words: str) -> bool:
        before = len(self._judged)
        self._judged.update(words)
        if before <= MOST_WORDS < len(self._judged):
            self._findings.error(
                "too-many-windows",
                f"cannot read more than {MOST_WORDS} different cron lines and zones",
                block.where(*path[:1]),
                "let targets share their lines",
            )
        return len(self._judged) <= MOST_WORDS


@lru_cache(maxsize=1_024)
def wrong_cron(line: str) -> str | None:
    """Say what is wrong with a cron line, or None."""
    if len(line.split()) != FIELDS:
        return f"expected {FIELDS} fields, got {len(line.split())}"
    try:
        next(CronSim(line, SOME_DAY))
    except CronSimError as error:
        return str(error).replace("Bad ", "cannot read its ")
    except StopIteration:
        return "it never falls due"
    return None


@lru_cache(maxsize=1_024)
def known_zone(name: str) -> bool:
    """Tell whether a time zone exists here; UTC always does."""
    if name == UTC_NAME:
        return True
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of zones is an OSError
        return False
    return True


def _zone_hint(name: str) -> str:
    zones = _zones()
    if not zones:
        return "this machine has no time zone database: install tzdata"
    return did_you_mean(name, zones) or "zones are named as in Europe/Berlin"


@cache
def _zones() -> tuple[str, ...]:
    return tuple(sorted(available_timezones()))
