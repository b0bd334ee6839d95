"""Writing a job's ledger: nothing happens before it stands in the store.

Called by every driver of this room for one job; calls the store and tells whoever watches.
"""

import asyncio
from dataclasses import replace

from controller.jobs.ledger import Ledger, Note
from controller.jobs.ports import Equipment
from controller.model.job import Event, Job


class Recorder:
    """One job's ledger, open for writing; steps that run at once share it."""

    def __init__(self, equipment: Equipment, ledger: Ledger) -> None:
        self._equipment = equipment
        self._ledger = ledger
        self._turn = asyncio.Lock()

    @property
    def job(self) -> Job:
        """The job as it stands."""
        return self._ledger.job

    async def record(self, *notes: Note) -> Job:
        """Append events in one transaction; return when they are durable.

        Raises:
            IllegalTransitionError: a note contradicts what is recorded.
        """
        async with self._turn:
            ledger, events = self._ledger, list[tuple[Job, Event]]()
            for note in notes:
                ledger, event = ledger.note(note, self._equipment.clock.now())
                events.append((ledger.job, event))
            await self._equipment.store.jobs.append(ledger.job, [event for _, event in events])
            self._ledger = ledger
        for job, event in events:
            self._equipment.progress.changed(job, event)
        return ledger.job

    async def stop_requested(self) -> bool:
        """Ask the store whether somebody wants this job to stop."""
        if not self.job.stop_requested:
            stored = await self._equipment.store.jobs.get(self.job.id)
            async with self._turn:
                if stored is not None and stored.stop_requested:
                    stopped = replace(self.job, stop_requested=True)
                    self._ledger = replace(self._ledger, job=stopped)
        return self.job.stop_requested
