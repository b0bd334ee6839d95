"""The port of what deletes by age; what each shelf keeps at most, it keeps by itself.

As in `ports`: every method is durable when it returns. Each deletes a bounded number, so that nobody waits long behind it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from controller.model.ids import RunId


class Cleaning(Protocol):
    """Deletes what is old."""

    async def old_runs(self, before: datetime, *, keep: int, limit: int) -> tuple[RunId, ...]:
        """List runs that ended before a moment, or are beyond the newest `keep`, oldest first.

        A run with a job that has not ended, or is lost, is never among them, nor is the newest.
        """
        ...

    async def drop_runs(self, runs: Sequence[RunId]) -> int:
        """Delete runs with their jobs and ledgers; those that may not be deleted stay. Give how many went."""
        ...

    async def drop_history(self, before: datetime, *, limit: int) -> int:
        """Delete what was in force before a moment and is not any more; give how many went."""
        ...

    async def drop_letters(self, before: datetime, *, limit: int) -> int:
        """Delete letters that were written before a moment and do not wait any more; give how many went."""
        ...

    async def drop_dues(self, before: datetime, *, limit: int) -> int:
        """Delete due times before a moment, but never the latest of a target; give how many went."""
        ...
