"""The reference twin of deleting by age.

Called by `memory`; asks the other twins, which know what may go.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from controller.model.ids import RunId


class Runs(Protocol):
    """Where runs are kept."""

    def old(self, before: datetime, *, keep: int, limit: int) -> tuple[RunId, ...]:
        """List runs that may go."""
        ...

    def drop(self, runs: Sequence[RunId]) -> int:
        """Delete runs with their jobs."""
        ...


Drop = Callable[[datetime, int], int]
"""Deletes what is older than a moment, so many at most; gives how many went."""


class MemoryCleaning:
    """Deletes what is old."""

    def __init__(self, runs: Runs, *, history: Sequence[Drop], letters: Drop, dues: Drop) -> None:
        self._runs = runs
        self._history = history
        self._letters = letters
        self._dues = dues

    async def old_runs(self, before: datetime, *, keep: int, limit: int) -> tuple[RunId, ...]:
        """List runs that ended before a moment, or are beyond the newest `keep`, oldest first."""
        return self._runs.old(before, keep=keep, limit=limit)

    async def drop_runs(self, runs: Sequence[RunId]) -> int:
        """Delete runs with their jobs and ledgers; those that may not be deleted stay. Give how many went."""
        return self._runs.drop(runs)

    async def drop_history(self, before: datetime, *, limit: int) -> int:
        """Delete what was in force before a moment and is not any more; give how many went."""
        gone = 0
        for drop in self._history:
            gone += drop(before, limit - gone)
        return gone

    async def drop_letters(self, before: datetime, *, limit: int) -> int:
        """Delete letters that were written before a moment and do not wait any more; give how many went."""
        return self._letters(before, limit)

    async def drop_dues(self, before: datetime, *, limit: int) -> int:
        """Delete due times before a moment, but never the latest of a target; give how many went."""
        return self._dues(before, limit)
