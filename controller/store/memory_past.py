"""The reference twin of the history: what was recorded, in dictionaries.

Called by `memory`; it keeps as many changes of one thing as SQLite does, and knows no bound for all of them.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from datetime import datetime

from controller.clock import Clock
from controller.store import retention
from controller.store.past import Entry, Kind


class MemoryPast:
    """What was recorded, and when."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[tuple[Kind, str, str], deque[tuple[datetime, Entry]]] = {}

    def remember(self, entries: Iterable[Entry]) -> None:
        """Write down what changed."""
        now = self._clock.now()
        for entry in entries:
            kept = self._kept.setdefault(entry.key, deque(maxlen=retention.KEPT_CHANGES))
            if (kept[-1][1].mark if kept else "") != entry.mark:
                kept.append((now, entry))

    def drop(self, before: datetime, limit: int) -> int:
        """Delete what was in force before a moment and is not any more, so much at most; give how much went."""
        gone = 0
        for key, kept in list(self._kept.items()):
            while kept and gone < limit and _is_over(kept, before):
                kept.popleft()
                gone += 1
            if not kept:
                del self._kept[key]
        return gone

    def recall(self, kind: Kind, moment: datetime) -> Sequence[str]:
        """Read what was known at a moment."""
        found = []
        for key in sorted(self._kept):
            then = [entry.data for at, entry in self._kept[key] if at <= moment]
            if key[0] is kind and then and then[-1] is not None:
                found.append(then[-1])
        return found


def _is_over(kept: Sequence[tuple[datetime, Entry]], before: datetime) -> bool:
    """Say whether the oldest of some rows was forgotten, or replaced, before a moment."""
    at, entry = kept[0]
    replaced = len(kept) > 1 and kept[1][0] <= before
    return at <= before and (replaced or entry.data is None)
