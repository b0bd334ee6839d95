"""Finds many byte strings in long data at once.

Called by `masker`; pure. The method is that of Wu and Manber (TR 94-17, University of Arizona): the two bytes at the end of a
window tell how far no string can begin, so that most bytes are never looked at, however many strings there are.
"""

from collections.abc import Iterable, Iterator

BLOCK = 2


class Search:
    """A fixed set of strings, each at least two bytes long."""

    def __init__(self, needles: Iterable[bytes] = ()) -> None:
        ordered = sorted(needles, key=len, reverse=True)
        self.longest = len(ordered[0]) if ordered else 0
        self._window = len(ordered[-1]) if ordered else 0
        self._skips: dict[bytes, int] = {}
        self._needles: dict[bytes, list[bytes]] = {}
        for needle in ordered:
            head = needle[: self._window]
            self._needles.setdefault(head, []).append(needle)
            for at in range(self._window - BLOCK + 1):
                skip = self._window - BLOCK - at
                block = head[at : at + BLOCK]
                self._skips[block] = min(skip, self._skips.get(block, skip))

    def spans(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Give, for every place where a string begins, that place and the end of the longest one there."""
        if not self._needles:
            return
        skips, window = self._skips.get, self._window
        farthest = window - BLOCK + 1
        at, end = 0, len(data) - window
        while at <= end:
            last = at + window
            skip = skips(data[last - BLOCK : last], farthest)
            if skip:
                at += skip
                continue
            for needle in self._needles.get(data[at:last], ()):
                if data.startswith(needle, at):
                    yield at, at + len(needle)
                    break
            at += 1
