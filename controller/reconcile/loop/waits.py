"""When something about a target changes by the clock alone: windows, suspensions, pins, ignores of drift.

Pure. Called by `targets`. Due times of schedules have keys of their own.
"""

from collections.abc import Iterator
from datetime import datetime

from controller.planning.windows import is_open, next_opening
from controller.reconcile.walk.seen import Seen


def next_moment(seen: Seen, name: str, now: datetime) -> datetime | None:
    """Give the next moment at which to decide about a target anew; None where no clock matters."""
    return min((at for at in _moments(seen, name, now) if at > now), default=None)


def _moments(seen: Seen, name: str, now: datetime) -> Iterator[datetime]:
    target, standing = seen.declaration.targets.get(name), seen.standing
    declared = None if target is None else target.suspended
    for one in (standing.suspensions.get(name), standing.pins.get(name), declared):
        if one is not None and one.until is not None:
            yield one.until
    yield from (one.until for one in standing.ignores if one.target == name)
    if target is not None and target.windows and not is_open(target.windows, now):
        opening = next_opening(target.windows, now)
        if opening is not None:
            yield opening
