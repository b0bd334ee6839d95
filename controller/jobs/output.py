"""Copying an attempt's output from its server into the stored files, masked.

Called by `attempt`; calls the session and the output files. Safe to be cut anywhere: it goes on from what is stored.
"""

from typing import Final

from controller.jobs.assignment import Assignment
from controller.model.ids import AttemptId
from controller.transport.port import Session

LONGEST: Final = 1 << 16
"""No known form of a secret is taken to be longer than this many bytes."""


class OutputCopy:
    """One attempt's output on its way into the files."""

    def __init__(self, assignment: Assignment, attempt: AttemptId, step: str) -> None:
        self._assignment = assignment
        self._files = assignment.equipment.output
        self._masker = assignment.equipment.masker
        self._attempt = attempt
        self._step = step

    async def run(self, session: Session, *, follow: bool) -> int:
        """Copy what is not stored yet, with `follow` until the attempt has ended; say up to where it is stored."""
        stored = await self._files.stored(self._attempt)
        position = begin = max(0, stored - self._margin()) if stored else 0
        stream, torn, gap = self._masker.stream(), 0, 0
        async for chunk in session.output(self._attempt, offset=begin, follow=follow):
            if chunk.gap:
                # The halves of a secret that lies across the gap cannot be known by value: on both
                # sides as many bytes are hidden as a secret may have.
                await self._store(position, b"*" * len(stream.finish()), gap)
                stream, torn = self._masker.stream(), self._margin()
                position, gap = chunk.offset, chunk.gap
            hidden = min(torn, len(chunk.data))
            torn -= hidden
            safe = stream.feed(b"*" * hidden + chunk.data[hidden:])
            if safe:
                await self._store(position, safe, gap)
                position, gap = position + len(safe), 0
        await self._store(position, stream.finish(), gap)
        return await self._files.stored(self._attempt)

    def _margin(self) -> int:
        """Say how many bytes before a cut must be read again so that a secret across it is known: what a stream holds back."""
        return LONGEST - len(self._masker.stream().feed(bytes(LONGEST)))

    async def _store(self, offset: int, data: bytes, gap: int) -> None:
        """Keep masked bytes and show them to whoever watches."""
        if not data:
            return
        before = await self._files.stored(self._attempt)
        await self._files.append(self._attempt, offset, data, gap=gap)
        fresh = data[max(0, before - offset) :]
        if fresh:
            self._assignment.equipment.progress.output(self._assignment.job.id, self._step, fresh)
