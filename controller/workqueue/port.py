"""The queue as its callers see it, and the laws every adapter keeps.

Called by `reconcile` and the faces; implemented by `memory` and `postgres`. The laws: one key is never worked on twice at once;
many adds of a key that waits are one run; an add while the key is worked on is exactly one more run; of several due times the
earliest counts; of several priorities the highest; no add is lost, whoever dies; and what a worker says of a key that was taken
from it changes nothing.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from controller.errors import ControllerError

KEY_LENGTH: Final = 512
"""Characters of a key."""
LONGEST: Final = 366 * 86_400.0
"""Seconds a key may be put off."""
PRIORITIES: Final = 1_000_000
"""Priorities lie between this number below zero and above."""
SHOWN: Final = 10_000
"""Keys that `waiting` gives at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A key that is ours to work on until it is done or given back.

    `token` counts up over all claims, so that a later claim of a key has a higher one; `fails` counts how often in a row the
    key was given back; `priority` is what it was taken with.
    """

    key: str
    token: int
    fails: int = 0
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A key that waits or is worked on; `due` is None where nothing waits behind the work."""

    key: str
    due: datetime | None
    fails: int
    owned: bool


class Queue(Protocol):
    """Keys that wait until they are due, and go to one worker each."""

    async def add(self, key: str, *, after: float = 0.0, priority: int = 0) -> None:
        """See to it that a key is worked on once more, in `after` seconds or before.

        Raises:
            StateError: the queue has been closed, is full, or is out of reach.
            ControllerError: the key, the time or the priority is none.
        """
        ...

    async def take(self) -> Claim:
        """Wait for a key that is due: of those that are the one of the highest priority, then the one due first.

        Whoever is cancelled while waiting takes nothing.

        Raises:
            StateError: the queue has been closed.
        """
        ...

    async def done(self, claim: Claim) -> None:
        """Say that the work on a key has ended well; a claim that is no longer ours changes nothing."""
        ...

    async def back(self, claim: Claim, *, after: float) -> None:
        """Give a key back to be tried again in `after` seconds, or when an add says so, if that is earlier."""
        ...

    async def lost(self, claim: Claim) -> None:
        """Come back once a claim is no longer ours: done, given back, or taken over by another worker."""
        ...

    async def drop(self, key: str) -> None:
        """Forget that a key waits; work on it that goes on is left alone."""
        ...

    async def waiting(self) -> tuple[Waiting, ...]:
        """List what waits or is worked on, first what is due first; at most `SHOWN` keys."""
        ...

    async def close(self) -> None:
        """Let go of everything; claims that are still held go to others. Those who wait in `take` are told."""
        ...


def check(key: str, *, after: float, priority: int) -> None:
    """Refuse what no queue takes; these are mistakes of ours, never of a person.

    Raises:
        ControllerError: the key, the time or the priority is none.
    """
    if not 0 < len(key) <= KEY_LENGTH or not key.isprintable():
        raise ControllerError(f"cannot queue the key {key[:KEY_LENGTH]!r}")
    check_pause(after)
    if abs(priority) > PRIORITIES:
        raise ControllerError(f"cannot queue {key} with the priority {priority}")


def check_pause(after: float) -> None:
    """Refuse a time that is none.

    Raises:
        ControllerError: it is negative, too long, or no number.
    """
    if math.isnan(after) or not 0 <= after <= LONGEST:
        raise ControllerError(f"cannot put a key off by {after} seconds")
