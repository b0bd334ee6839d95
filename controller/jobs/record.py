"""Writing a job's ledger: nothing happens before it stands in the store.

Called by every driver of this room for one job; calls the store and tells whoever watches.
"""

import asyncio
from dataclasses import replace

from controller.jobs.ledger import Ledger, Note
from controller.jobs.pace import pace
from controller.jobs.ports import Equipment
from controller.model.job import Event, Job
from controller.model.wishes import Hold


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
            signal = pace(ledger.job)
            if signal is not None:
                note = Note(signal=signal, reason=ledger.job.reason)
                ledger, event = ledger.note(note, self._equipment.clock.now())
                events.append((ledger.job, event))
            await self._equipment.store.jobs.append(ledger.job, [event for _, event in events])
            self._ledger = ledger
        for job, event in events:
            self._equipment.progress.changed(job, event)
        return ledger.job

    async def stop_requested(self, step: str | None = None) -> bool:
        """Ask the store whether somebody wants this job, or this step of it, to stop."""
        if not self.job.stop_requested:
            await self.look()
        return self.job.stop_requested or step in self.job.wishes.stops

    async def hold(self, step: str) -> Hold | None:
        """Ask the store whether somebody wants this step to be held now."""
        await self.look()
        return self.job.wishes.held(step, self._equipment.clock.now())

    async def look(self) -> None:
        """Read what people wish of this job."""
        stored = await self._equipment.store.jobs.get(self.job.id)
        async with self._turn:
            if stored is not None:
                stop = stored.stop_requested or self.job.stop_requested
                job = replace(self.job, stop_requested=stop, wishes=stored.wishes)
                self._ledger = replace(self._ledger, job=job)
