"""Due times of schedules: which there are, which one is to be fired now, and which were missed.

Called by `reconcile` and by those who show the next run; cron lines are read by `windows`. Pure: what was fired before comes in
as the last row of the state. A due time is a moment, so neither a restart nor a clock that is set gives the same one twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Final

from controller.model.schedule import Schedule
from controller.model.serving import Due
from controller.planning.windows import due, zone_or_utc

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MOST_MISSED: Final = 100
"""Missed due times that are told one by one; of those before them only that there were some."""
LOOK_BACK: Final = timedelta(hours=1)
"""How far back missed due times are looked for at first; then ever farther."""
AFTER_SET_BACK: Final = timedelta(minutes=15)
"""How long a due time may be fired once the clock was set back behind the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """What a schedule asks for now.

    `fire` is the one due time to be fired; `missed` are those before it that nothing was done about, oldest first, which its run
    makes up for, and `uncounted` says that there were more. `next` comes after now.
    """

    fire: datetime | None = None
    missed: tuple[datetime, ...] = ()
    uncounted: bool = False
    next: datetime | None = None


def pending(schedule: Schedule, last: Due | None, since: datetime, now: datetime) -> Pending:
    """Say what is to be fired.

    Args:
        schedule: the schedule.
        last: the latest due time that is recorded, whatever became of it.
        since: when the schedule was first seen as it is; what was due before is nothing to it.
        now: the moment.

    Raises:
        DeclarationError: the line or the zone cannot be read here.
    """
    after = since if last is None else max(since, last.due)
    if last is not None and last.due > now:
        # The clock was ahead, and is right now: a due time that was fired then has its row, the others may come.
        after = max(since, now - AFTER_SET_BACK)
    found, uncounted = _latest(schedule, after, now)
    return Pending(
        fire=found[-1] if found else None,
        missed=tuple(found[-MOST_MISSED - 1 : -1]),
        uncounted=uncounted,
        next=next_due(schedule, now),
    )


def next_due(schedule: Schedule, after: datetime) -> datetime | None:
    """Give the first due time after a moment, in UTC; None when there is none.

    Raises:
        DeclarationError: the line or the zone cannot be read here.
    """
    return next(_from(schedule, after), None)


def due_times(schedule: Schedule, after: datetime, until: datetime) -> Iterator[datetime]:
    """Give the due times after one moment up to another, which counts; in UTC, in order.

    Raises:
        DeclarationError: the line or the zone cannot be read here.
    """
    return takewhile(lambda at: at <= until, _from(schedule, after))


def schedule_words(schedule: Schedule) -> str:
    """Write a schedule for people: `0 3 * * * (Europe/Berlin)`, or `every 6h`."""
    if schedule.cron is not None:
        return f"{schedule.cron} ({schedule.timezone})"
    anchor = "" if schedule.anchor is None else f" from {schedule.anchor:%Y-%m-%d %H:%M} UTC"
    return f"every {_length(_every(schedule))}{anchor}"


def due_words(schedule: Schedule, at: datetime) -> str:
    """Write a due time as the clock on the wall of the schedule shows it."""
    if schedule.cron is None:
        return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return f"{at.astimezone(zone_or_utc(schedule.timezone)):%Y-%m-%d %H:%M}"


def _latest(schedule: Schedule, after: datetime, now: datetime) -> tuple[list[datetime], bool]:
    """Give the newest due times, one more than may be told as missed at most, and whether there are more."""
    back = LOOK_BACK
    while True:
        start = max(after, now - back) if now - EPOCH > back else after
        found = list(due_times(schedule, start, now))
        if len(found) > MOST_MISSED:
            earlier = next(due_times(schedule, after, found[-MOST_MISSED - 1]), None)
            return found, earlier is not None and earlier < found[-MOST_MISSED - 1]
        if start <= after:
            return found, False
        back *= 4


def _from(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    if schedule.cron is None:
        return _repeated(schedule, after.astimezone(UTC))
    times = due(schedule.cron, schedule.timezone, after.astimezone(UTC))
    return (at.astimezone(UTC) for at in times)


def _repeated(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    """Count from the anchor, so that nothing adds up however long it runs."""
    every, anchor = _every(schedule), schedule.anchor or EPOCH
    number = max(0, (after - anchor) // every + 1)
    while True:
        try:
            at = anchor + number * every
        except OverflowError:  # the calendar ends
            return
        yield at
        number += 1


def _every(schedule: Schedule) -> timedelta:
    return timedelta(seconds=schedule.every or 0.0)


def _length(length: timedelta) -> str:
    seconds = length.total_seconds()
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:g}s"
