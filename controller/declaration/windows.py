"""When a target may run, as declared: cron lines and time zones that exist; called by `targets`.

Cron lines are read by Debian's rules; zones are those of the time zone database of this machine.
"""

from datetime import datetime
from functools import cache, lru_cache
from typing import Final, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cronsim import CronSim, CronSimError

from controller.declaration.block import Block
from controller.declaration.suggest import did_you_mean
from controller.declaration.wishes import Wishes
from controller.model.rollout import Window

FIELDS: Final = 5
SOME_DAY: Final = datetime(2000, 1, 1)  # noqa: DTZ001 - a cron line falls due in any zone or in none
UTC_NAME: Final = "UTC"
MOST_WORDS: Final = 1_000
"""Different cron lines and zones of one declaration."""


class Windows:
    """Builds the windows of all targets; looking into a cron line takes milliseconds, so their number has a bound."""

    def __init__(self, wishes: Wishes) -> None:
        self._wishes = wishes
        self._judged: set[str] = set()

    def build(self, block: Block) -> tuple[Window, ...]:
        """Build the windows of a target; what is wrong with one is reported at its key."""
        windows: list[Window] = []
        for index, data in enumerate(cast("list[dict[str, str]]", block.data.get("windows", []))):
            at = ("windows", index)
            zone = data.get("timezone", UTC_NAME)
            if self._within_bounds(block, data["allow"], zone):
                self._judge(block, index, data["allow"], zone)
            length = self._wishes.duration(
                block, (*at, "for"), data["for"], least="1m", most="366d"
            )
            windows.append(Window(allow=data["allow"], seconds=length, timezone=zone))
        return tuple(windows)

    def _within_bounds(self, block: Block, *words: str) -> bool:
        before = len(self._judged)
        self._judged.update(words)
        if before <= MOST_WORDS < len(self._judged):
            self._wishes.findings.error(
                "too-many-windows",
                f"cannot read more than {MOST_WORDS} different cron lines and zones",
                block.where("windows"),
                "let targets share their windows",
            )
        return len(self._judged) <= MOST_WORDS

    def _judge(self, block: Block, index: int, line: str, zone: str) -> None:
        wrong = wrong_cron(line)
        if wrong:
            self._wishes.findings.error(
                "bad-cron",
                f"cannot use {line[:60]!r} as a cron line: {wrong}",
                block.where("windows", index, "allow", value=True),
                "the fields are minute, hour, day of month, month, day of week: 0 9 * * 1-5",
            )
        if not known_zone(zone):
            self._wishes.findings.error(
                "unknown-timezone",
                f"cannot find the time zone {zone}",
                block.where("windows", index, "timezone", value=True),
                _zone_hint(zone),
            )


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
