"""Connections whose handshake is not over: so many at once, and who has to go when others wait.

`doors` asks it. Strangers at the busiest address go first, so whoever opens sockets and says nothing pushes out his own, not a
client from elsewhere. A client's first bytes come with its connection: one that stays silent has less patience than one that speaks.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

MOST = 256
SILENT, SPEAKING = 0.02, 0.25
"""Seconds that are given, where others wait, before the first byte and in all."""


class Waiting(Protocol):
    """One whose handshake is not over."""

    @property
    def since(self) -> float | None:
        """When its bytes could first be heard."""

    @property
    def spoke(self) -> bool:
        """Whether any came."""


_One = TypeVar("_One", bound=Waiting)


class Lobby(Generic[_One]):
    """Who waits, by address, in order of arrival.

    Args:
        most: so many.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._crowds: dict[str, dict[_One, None]] = {}
        self._number = 0

    def __len__(self) -> int:
        return self._number

    @property
    def full(self) -> bool:
        """Say whether somebody has to go before another can come."""
        return self._number >= self._most

    def enter(self, one: _One, address: str) -> None:
        """Let somebody wait."""
        self._crowds.setdefault(address, {})[one] = None
        self._number += 1

    def leave(self, one: _One, address: str) -> bool:
        """Note that somebody is done or gone; say whether he waited."""
        crowd = self._crowds.get(address)
        if crowd is None or one not in crowd:
            return False
        del crowd[one]
        self._number -= 1
        if not crowd:
            del self._crowds[address]
        return True

    def overdue(self, now: float, most: int) -> list[_One]:
        """Give who has to go where others wait: at most so many, those of the busiest address first."""
        found: list[_One] = []
        for crowd in sorted(self._crowds.values(), key=len, reverse=True):
            found += [one for one in crowd if _due(one) <= now]
            if len(found) >= most:
                break
        return found[:most]

    def next_due(self) -> float | None:
        """Say when the next is overdue; None where nobody waits who could be."""
        return min((due for due in self._dues() if due < float("inf")), default=None)

    def _dues(self) -> Iterator[float]:
        return (_due(one) for crowd in self._crowds.values() for one in crowd)


def _due(one: Waiting) -> float:
    if one.since is None:
        return float("inf")  # it could not be heard yet
    return one.since + (SPEAKING if one.spoke else SILENT)
