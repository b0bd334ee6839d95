"""Handshakes under way, by address, so that who has to go when they are too many is one of the busiest address.

`listener` asks it: a stranger who opens sockets and says nothing pushes out his own, and no agent from elsewhere. Pure.
"""

from typing import Generic, TypeVar

T = TypeVar("T")


class Crowds(Generic[T]):
    """Who is here, by address, in order of arrival.

    Args:
        most: at once; then somebody has to go for each that comes.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._crowds: dict[str, dict[T, None]] = {}
        self._number = 0

    def __len__(self) -> int:
        return self._number

    def enter(self, one: T, address: str) -> T | None:
        """Let somebody in; give who has to go for that, and has gone."""
        out = self._push_out() if self._number >= self._most else None
        self._crowds.setdefault(address, {})[one] = None
        self._number += 1
        return out

    def leave(self, one: T, address: str) -> None:
        """Note that somebody is done; nothing where he is gone already."""
        crowd = self._crowds.get(address)
        if crowd is not None and one in crowd:
            self._drop(one, address)

    def _push_out(self) -> T:
        address = max(self._crowds, key=lambda each: len(self._crowds[each]))
        eldest = next(iter(self._crowds[address]))
        self._drop(eldest, address)
        return eldest

    def _drop(self, one: T, address: str) -> None:
        del self._crowds[address][one]
        self._number -= 1
        if not self._crowds[address]:
            del self._crowds[address]
