"""Stored output, piece by piece as it grows, remembering how far it was given.

Called by the desk for logs, and by `attaching`; calls the store and the output files, of the archive where they went there.
"""

from collections.abc import AsyncIterator

from controller.jobs.ledger import in_order
from controller.journal.output import OutputFiles
from controller.model.job import Job
from controller.reconcile.exchange.reports import LogChunk
from controller.store.ports import Store


class Listening:
    """The output of one job, or of one of its steps."""

    def __init__(self, store: Store, output: OutputFiles, *, step: str | None = None) -> None:
        self._store = store
        self._output = output
        self._step = step
        self._at: dict[str, int] = {}

    async def fresh(self, job: Job) -> AsyncIterator[LogChunk]:
        """Give what was stored since the last time, attempt by attempt as they were made."""
        for step, attempt in in_order(job, await self._store.jobs.events(job.id)):
            if self._step not in {None, step}:
                continue
            async for piece in self._output.pieces(attempt.id, self._at.get(attempt.id, 0)):
                self._at[attempt.id] = piece.offset + len(piece.data)
                yield LogChunk(
                    step=step,
                    attempt=attempt.number,
                    offset=piece.offset,
                    data=piece.data,
                    gap=piece.gap,
                )
