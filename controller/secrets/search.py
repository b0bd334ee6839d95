"""Finds many byte strings in long data at once.

Called by `masker`; pure. The method is that of Wu and Manber (TR 94-17, University of Arizona): the bytes at the end of a window
tell how far no string can begin, so that most bytes are never looked at, however many strings there are.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Final

FEW: Final = 200
"""From so many strings on, three bytes tell more than two."""

GLANCE: Final = 6
"""Bytes that rule out most places before the rest is copied and compared."""


class Search:
    """A fixed set of strings, each at least three bytes long."""

    def __init__(self, needles: Iterable[bytes] = ()) -> None:
        ordered = sorted(needles, key=len, reverse=True)
        self._longest = len(ordered[0]) if ordered else 0
        self._window = len(ordered[-1]) if ordered else 0
        self._block = 2 if len(ordered) < FEW else 3
        self._sorted = sorted(ordered)
        self._begins = frozenset(n[:count] for n in ordered for count in range(1, GLANCE + 1))
        self._skips: dict[bytes, int] = {}
        self._needles: dict[bytes, list[bytes]] = {}
        for needle in ordered:
            self._learn(needle)

    def spans(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Give, for every place where a string begins, that place and the end of the longest one there."""
        if not self._needles:
            return
        skips, window, block = self._skips.get, self._window, self._block
        farthest = window - block + 1
        at, end = 0, len(data) - window
        while at <= end:
            last = at + window
            skip = skips(data[last - block : last], farthest)
            if skip:
                at += skip
                continue
            for needle in self._needles.get(data[at:last], ()):
                if data.startswith(needle, at):
                    yield at, at + len(needle)
                    break
            at += 1

    def unfinished(self, data: bytes) -> int:
        """Find the first place from which the rest of `data` may go on to be a string; its length if none."""
        for at in range(max(0, len(data) - self._longest + 1), len(data)):
            if data[at : at + GLANCE] in self._begins and self._goes_on(data[at:]):
                return at
        return len(data)

    def _goes_on(self, begin: bytes) -> bool:
        """Whether a string begins so and is longer: the next one in order would."""
        after = bisect_right(self._sorted, begin)
        return after < len(self._sorted) and self._sorted[after].startswith(begin)

    def _learn(self, needle: bytes) -> None:
        head = needle[: self._window]
        self._needles.setdefault(head, []).append(needle)
        for at in range(self._window - self._block + 1):
            skip = self._window - self._block - at
            block = head[at : at + self._block]
            self._skips[block] = min(skip, self._skips.get(block, skip))
