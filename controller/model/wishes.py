"""What people wish of a job that goes on: to stop steps of it, to hold it or them for a while.

A wish stands in the store beside the job; whoever drives the job looks there.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A wish that a step (None: every step) is held, until a moment (None: until somebody lets it go on)."""

    step: str | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What is wished of one job; that all of it stops is kept apart (`Job.stop_requested`).

    `stops` are steps that are not to be tried again.
    """

    stops: tuple[str, ...] = ()
    holds: tuple[Hold, ...] = ()

    def held(self, step: str, now: datetime) -> Hold | None:
        """Give the hold of a step that lasts longest; None where nothing holds it at this moment."""
        found = [
            hold
            for hold in self.holds
            if hold.step in {None, step} and (hold.until is None or hold.until > now)
        ]
        return max(found, key=_length, default=None)

    def with_hold(self, hold: Hold) -> Self:
        """Add a hold in place of the one of the same step."""
        others = tuple(each for each in self.holds if each.step != hold.step)
        return replace(self, holds=(*others, hold))

    def with_stop(self, step: str) -> Self:
        """Add the wish that a step is not tried again."""
        return replace(self, stops=tuple(dict.fromkeys((*self.stops, step))))


def _length(hold: Hold) -> tuple[bool, float]:
    return (hold.until is None, 0.0 if hold.until is None else hold.until.timestamp())
