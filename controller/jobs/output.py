"""Copying an attempt's output from its server into the stored files, masked.

Called by `attempt`; calls the session and the output files. Safe to be cut anywhere: it goes on from what is stored.
"""

from typing import Final

from controller.jobs.assignment import Assignment
from controller.model.ids import AttemptId
from controller.transport.port import Session

WIDEST: Final = 6
"""Bytes that one byte of a secret may become in a known form: JSON writes some as six."""
LEFT: Final = 64 << 20
"""Bytes that are taken of an attempt that has ended: more than a server keeps, and as many as are stored."""


class OutputCopy:
    """One attempt's output on its way into the files."""

    def __init__(self, assignment: Assignment, attempt: AttemptId, step: str) -> None:
        self._assignment = assignment
        self._files = assignment.equipment.output
        self._masker = assignment.equipment.masker
        self._attempt = attempt
        self._step = step
        self._flushed = False
        # No form of a secret of this job is longer; so far around a cut one may lie in two halves.
        longest = max(
            (len(value.encode(errors="surrogateescape")) for value in assignment.values.values()),
            default=0,
        )
        self._margin = WIDEST * longest

    async def run(self, session: Session, *, follow: bool) -> int:
        """Copy what is not stored yet, with `follow` until the attempt has ended; say up to where it is stored."""
        stored = await self._files.stored(self._attempt)
        position = begin = max(0, stored - self._margin) if stored else 0
        stream, torn, gap = self._masker.stream(), 0, 0
        came = 0
        async for chunk in session.output(self._attempt, offset=begin, follow=follow):
            came += len(chunk.data)
            if came > LEFT and not follow:
                break  # a server that says it has ended, and goes on for ever
            if chunk.gap:
                # The halves of a secret that lies across the gap cannot be known by value: on both
                # sides as many bytes are hidden as a secret may have.
                await self._store(position, b"*" * len(stream.finish()), gap)
                stream, torn = self._masker.stream(), self._margin
                position, gap = chunk.offset, chunk.gap
            hidden = min(torn, len(chunk.data))
            torn -= hidden
            safe = stream.feed(b"*" * hidden + chunk.data[hidden:])
            if safe:
                await self._store(position, safe, gap)
                position, gap = position + len(safe), 0
        await self._store(position, stream.finish(), gap)
        return await self._durable()

    async def _durable(self) -> int:
        """Say up to where output is stored for good, so that the server may forget it.

        What a killed process wrote may not have reached the disk; an append brings everything before it there.
        """
        stored = await self._files.stored(self._attempt)
        if stored and not self._flushed:
            await self._files.append(self._attempt, stored, b"")
            self._flushed = True
        return stored

    async def _store(self, offset: int, data: bytes, gap: int) -> None:
        """Keep masked bytes, or that some are missing at the end, and show them to whoever watches."""
        if not data and not gap:
            return
        before = await self._files.stored(self._attempt)
        await self._files.append(self._attempt, offset, data, gap=gap)
        self._flushed = True
        fresh = data[max(0, before - offset) :]
        if fresh:
            self._assignment.equipment.progress.output(self._assignment.job.id, self._step, fresh)
