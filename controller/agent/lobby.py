"""Connections whose handshake is not over: so many at once, and who has to go when there are more.

`doors` asks it. Whoever has waited longest at the busiest address goes first, so strangers who open sockets and say nothing push
out each other, not a client from elsewhere; and one who needs no longer than a moment is not pushed out at all. Pure.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

MOST = 256
GRACE = 0.25
"""Seconds that everybody is given; a handshake takes a few round trips."""
_One = TypeVar("_One")


class Lobby(Generic[_One]):
    """Who waits, by address, in order of arrival.

    Args:
        most: so many.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._waiting: dict[str, OrderedDict[_One, float]] = {}
        self._number = 0

    def __len__(self) -> int:
        return self._number

    @property
    def full(self) -> bool:
        """Say whether somebody has to go before another can come."""
        return self._number >= self._most

    def enter(self, one: _One, address: str, now: float) -> None:
        """Let somebody wait."""
        self._waiting.setdefault(address, OrderedDict())[one] = now
        self._number += 1

    def leave(self, one: _One, address: str) -> bool:
        """Note that somebody is done or gone; say whether he waited."""
        crowd = self._waiting.get(address)
        if crowd is None or crowd.pop(one, None) is None:
            return False
        self._number -= 1
        if not crowd:
            del self._waiting[address]
        return True

    def eldest(self) -> tuple[_One, float] | None:
        """Give who goes first, and since when he waits."""
        if not self._waiting:
            return None
        crowd = max(self._waiting.values(), key=len)
        return next(iter(crowd.items()))
