"""The activity and connectivity logs: append-only, chained by hash, one file a year.

Called by `jobs`, `reconcile` and the faces, which alone write them; calls the disk. Each line holds the SHA-256 of the line before,
over the borders of years; `verify` finds what was changed afterwards.
"""

import asyncio
import os
import threading
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from controller.clock import Clock
from controller.errors import StateError
from controller.journal.files import (
    Head,
    LogFiles,
    last_line,
    open_private,
    parse_head,
    write_head,
)
from controller.journal.line import Line, hash_line, read_line, write_line
from controller.journal.reading import read_since, read_tail
from controller.journal.verify import TORN, Finding, verify_files
from controller.model.masking import Masker
from controller.store.folder import sync_folder

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
        self._mine = threading.Lock()
        self._broken: StateError | None = None
        self._owed: deque[_Owed] = deque()
        """Lines after changes that the disk did not take. No change begins before they are written, so they stay few."""

    async def append(self, event: str, actor: str, **fields: object) -> None:
        """Append a line; it is durable on return.

        Args:
            event: what happened, kebab-case.
            actor: who did it, as user@host.
            fields: what else is to be known; texts are masked and bounded.

        Raises:
            StateError: the line cannot be written; after an error of the disk, for good.
        """
        await asyncio.to_thread(self._append, event, actor, fields)

    async def conclude(self, event: str, actor: str, **fields: object) -> None:
        """Append the line after a change; the disk may be full since the line before it.

        What cannot be written now is written before any other line, and says in `due` when it should have been.

        Raises:
            StateError: as `append` does.
        """
        await asyncio.to_thread(self._conclude, event, actor, fields)

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

    def _append(self, event: str, actor: str, fields: dict[str, object]) -> None:
        with self._mine:
            self._take(event, actor, fields)

    def _conclude(self, event: str, actor: str, fields: dict[str, object]) -> None:
        with self._mine:
            now = self._clock.now()
            try:
                self._take(event, actor, fields)
            except StateError:
                self._owed.append(_Owed(event, actor, fields | {"due": now}))
                raise

    def _take(self, event: str, actor: str, fields: dict[str, object]) -> None:
        """Write what is owed, then one line."""
        if self._broken is not None:
            raise self._broken
        try:
            with self._files.turn() as head:
                while self._owed:
                    owed = self._owed[0]
                    self._write(head, owed.event, owed.actor, owed.fields)
                    self._owed.popleft()
                self._write(head, event, actor, fields)
        except OSError as error:
            said = StateError(
                f"cannot write the {self._files.name} log: {error.strerror or error}",
                hint="free some space, or check the disk",
            )
            if isinstance(error, _FlushError):
                self._broken = said
            raise said from error

    def _write(self, head: int, event: str, actor: str, fields: dict[str, object]) -> None:
        """Write one line, after closing off one that was cut short."""
        now = self._clock.now().astimezone(UTC)
        years = self._files.years()
        newest = years[-1][0] if years else now.year
        # A clock that was set back to last year must not write behind the end of the chain.
        path = self._files.of_year(max(now.year, newest))
        descriptor = open_private(path, os.O_RDWR | os.O_APPEND)
        try:
            last = self._end_of_chain(descriptor, years, now, head)
            line = Line(
                ts=now, seq=last.seq + 1, prev=last.sha256, event=event, actor=actor, fields=fields
            )
            data = write_line(line, self._masker)
            _append_whole(descriptor, data)
        finally:
            os.close(descriptor)
        if path not in {known for _, known in years}:
            sync_folder(path.parent)
        write_head(head, Head(seq=line.seq, sha256=hash_line(data[:-1])))

    def _end_of_chain(
        self, descriptor: int, years: tuple[tuple[int, Path], ...], now: datetime, head: int
    ) -> Head:
        """Find the last line; one that was cut short by a crash is ended and told of."""
        told = parse_head(os.pread(head, 256, 0))
        for _, path in reversed(years):
            source = os.open(path, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                data, whole = last_line(source)
                if not whole:
                    _append_whole(source, b"\n")
            finally:
                os.close(source)
            found = read_line(data)
            if found is not None:
                return Head(seq=found.seq, sha256=hash_line(data))
            if data:
                seq = told.seq + 1 if told else 1
                return _tell_of_cut(descriptor, seq, now, data, cut=not whole)
        return told or _begin_head(head)


@dataclass(frozen=True, slots=True)
class _Owed:
    """A line that is still to be written."""

    event: str
    actor: str
    fields: dict[str, object]


class _FlushError(OSError):
    """The disk did not take what was written: what it holds now is not known."""


def _begin_head(head: int) -> Head:
    """Write the head of a log without lines: a crash after the first line must not look like a head that somebody took away."""
    nothing = Head()
    write_head(head, nothing)
    os.fsync(head)
    return nothing


def _tell_of_cut(descriptor: int, seq: int, now: datetime, data: bytes, *, cut: bool) -> Head:
    """Write the line that tells of an unreadable one, so that the chain goes on over it."""
    fields = {"bytes": len(data), "cut": cut}
    line = Line(ts=now, seq=seq, prev=hash_line(data), event=TORN, actor="ctl", fields=fields)
    written = write_line(line, None)
    _append_whole(descriptor, written)
    return Head(seq=seq, sha256=hash_line(written[:-1]))


def _append_whole(descriptor: int, data: bytes) -> None:
    """Append in one write and flush; a write that came out short is taken back."""
    before = os.fstat(descriptor).st_size
    written = os.write(descriptor, data)
    if written != len(data):
        os.ftruncate(descriptor, before)
        raise OSError(f"{written} of {len(data)} bytes were written")
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise _FlushError(*error.args) from error
