"""The activity and connectivity logs: append-only, chained by hash, one file a year.

Called by `jobs`, `reconcile` and the faces, which alone write them; calls the one writer and the reading. Each line holds the SHA-256
of the line before, over the borders of years; `verify` finds what was changed afterwards.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from controller.clock import Clock
from controller.errors import StateError
from controller.journal.chain import Chain
from controller.journal.files import LogFiles
from controller.journal.line import Line, make_entry
from controller.journal.reading import read_since, read_tail
from controller.journal.verify import Finding, verify_files
from controller.journal.writer import Writer
from controller.model.masking import Masker

POLL: Final = 0.5
"""Seconds between two looks for new lines while following."""

Name = Literal["activity", "connectivity"]


class Log:
    """One of the two logs in one state folder, which must exist."""

    def __init__(
        self, folder: Path, name: Name, *, clock: Clock, masker: Masker | None = None
    ) -> None:
        self._files = LogFiles(folder, name)
        self._clock = clock
        self._masker = masker
        self._writer = Writer(Chain(self._files, clock=clock), clock=clock)

    async def append(self, event: str, actor: str, **fields: object) -> None:
        """Append a line; it is durable on return.

        Args:
            event: what happened, kebab-case.
            actor: who did it, as user@host.
            fields: what else is to be known; texts are masked and bounded.

        Raises:
            StateError: the line cannot be written; after an error of the disk, for good.
        """
        await self._writer.write(make_entry(event, actor, fields, self._masker))

    async def conclude(self, event: str, actor: str, **fields: object) -> None:
        """Append the line after a change; the disk may be full since the line before it.

        What cannot be written now is written before any other line, and says in `due` when it should have been.

        Raises:
            StateError: as `append` does.
        """
        await self._writer.write(make_entry(event, actor, fields, self._masker), owed=True)

    def tail(self, count: int = 10) -> tuple[Line, ...]:
        """Read the last lines, oldest first."""
        return read_tail(self._files, count)

    def since(self, moment: datetime) -> tuple[Line, ...]:
        """Read the lines from a moment on, oldest first."""
        return tuple(read_since(self._files, moment=moment))

    async def follow(self, *, after: int | None = None) -> AsyncIterator[Line]:
        """Give lines as they are written, from `after` that number on; without, from now on. Never ends."""
        seen = after
        if seen is None:
            newest = await asyncio.to_thread(self.tail, 1)
            seen = newest[-1].seq if newest else 0
        while True:
            for line in await asyncio.to_thread(self._later, seen):
                yield line
                seen = line.seq
            await self._clock.sleep(POLL)

    def verify(self) -> tuple[Finding, ...]:
        """Check the whole chain; see `Finding`.

        Raises:
            StateError: the log cannot be read.
        """
        if not self._files.years() and self._files.read_head() is None:
            return ()
        try:
            with self._files.turn():
                return verify_files(self._files)
        except OSError as error:
            raise StateError(f"cannot read the {self._files.name} log: {error}") from error

    def _later(self, seq: int) -> tuple[Line, ...]:
        """Read what was written after a number; only the end of the log is looked at where that is enough."""
        newest = self.tail(100)
        if not newest or newest[0].seq <= seq + 1:
            return tuple(line for line in newest if line.seq > seq)
        return tuple(read_since(self._files, seq=seq))
