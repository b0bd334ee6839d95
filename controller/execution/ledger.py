"""The ledger: the durable record of every attempt, and the reason why none starts twice.

An append-only file of lines that prove themselves. `append` returns when its record is on the disk; records that arrive
while the disk is busy go down together in the next fsync. A torn last line is cut off at the next start; a damaged one
in the middle is passed over and counted. The room of the next lines is taken ahead: zeros behind the last line are not
damage. Past `compact_at` bytes the file is rewritten with one line an attempt, and of discarded attempts only the newest
`remember` stay known.

`executor` calls it; it calls `lines`.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path

from controller.execution.errors import BrokenError, FullError
from controller.execution.lines import decode, encode
from controller.execution.threads import Threads

Entry = dict[str, object]
"""Everything known of one attempt: the keys of its records, later ones over earlier ones."""

COMPACT_AT = 16 << 20
AHEAD = 256 << 10
RESERVE = 64 << 10
"""Of the room taken ahead, this much is for the ends of what was accepted before the disk was full."""
REMEMBER = 20_000
LASTING = ("job", "owner", "end", "message")
"""What stays known of a discarded attempt."""


def fold(records: Iterable[Mapping[str, object]]) -> dict[str, Entry]:
    """Make of all records what is known of each attempt, by id, in order of acceptance."""
    known: dict[str, Entry] = {}
    for record in records:
        name = record.get("id")
        if isinstance(name, str):
            merge(known, name, record)
    return known


def merge(known: dict[str, Entry], name: str, record: Mapping[str, object]) -> None:
    """Add one record to what is known; a discarded attempt keeps only whose it was and how it ended."""
    if record.get("event") == "discarded":
        before = known.get(name, {})
        kept = {key: before[key] for key in LASTING if key in before}
        known[name] = {**kept, **record}
    else:
        known.setdefault(name, {}).update(record)


def parse(content: bytes) -> tuple[list[dict[str, object]], int, int]:
    """Read a ledger's bytes.

    Returns:
        the records; how many bytes up to the last good line; how many damaged lines stand before it.
    """
    records: list[dict[str, object]] = []
    good = damaged = suspect = at = 0
    for line in content.splitlines(keepends=True):
        at += len(line)
        record = decode(line)
        if record is None:
            suspect += 1
            continue
        records.append(record)
        good, damaged = at, damaged + suspect
        suspect = 0
    return records, good, damaged


class Ledger:
    """The file, open for appending; safe for many tasks of one event loop.

    Args:
        path: where it lies; made when missing.
        compact_at: bytes from which it is rewritten.
        remember: how many discarded attempts stay known.
    """

    def __init__(
        self, path: Path, *, compact_at: int = COMPACT_AT, remember: int = REMEMBER
    ) -> None:
        self.path = path
        self.known: dict[str, Entry] = {}
        self.damaged = 0
        self.room = True
        self._ahead = 0
        self._compact_at = compact_at
        self._least = compact_at
        self._remember = remember
        self._descriptor = -1
        self._size = 0
        self._waiting: list[tuple[Mapping[str, object], asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._broken: str | None = None
        self._gone: deque[str] = deque()
        self._thread = Threads(1, "ledger")

    @property
    def kept(self) -> int:
        """Say of how many attempts the output is still there."""
        return len(self.known) - len(self._gone)

    def open(self) -> None:
        """Read what is there, cut off a torn end, and open it for appending.

        Raises:
            BrokenError: it cannot be read or written.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._descriptor = os.open(self.path, flags, 0o600)
            records, self._size, self.damaged = parse(self.path.read_bytes())
            os.ftruncate(self._descriptor, self._size)
            self._take_room(0)
            os.fsync(self._descriptor)
            sync_folder(self.path.parent)
            self._thread.begin()
        except OSError as error:
            raise BrokenError(f"cannot open the ledger {self.path}: {error.strerror}") from error
        except FullError as error:
            raise BrokenError(f"cannot open the ledger {self.path}: {error.message}") from error
        self.known = fold(records)
        for name, entry in list(self.known.items()):
            if entry["event"] == "discarded":
                self._forget(name)

    async def append(self, record: Mapping[str, object]) -> None:
        """Write a record down; when this returns it outlives a loss of power.

        Raises:
            BrokenError: it could not be written; from then on nothing is taken any more.
        """
        self.check()
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((record, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.ensure_future(self._write())
        await asyncio.shield(done)

    def check(self) -> None:
        """See to it that what is told is still true.

        Raises:
            BrokenError: a write has failed.
        """
        if self._broken is not None:
            raise BrokenError(self._broken)

    async def close(self) -> None:
        """Finish what is being written and close the file."""
        if self._writer is not None:
            await self._writer
        self._thread.shutdown(wait=True)
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _learn(self, record: Mapping[str, object]) -> None:
        """Know a record, now that it is on the disk: nobody is told what a loss of power could take back."""
        merge(self.known, str(record["id"]), record)
        if record["event"] == "discarded":
            self._forget(str(record["id"]))

    def _forget(self, name: str) -> None:
        self._gone.append(name)
        if len(self._gone) > self._remember:
            self.known.pop(self._gone.popleft(), None)

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting, []
            lines = b"".join(encode(record) for record, _ in batch)
            try:
                if self._broken is None:
                    await loop.run_in_executor(self._thread, self._put, lines)
            except OSError as error:
                # After a failed fsync nobody knows what is on the disk: nothing may be promised any more.
                self._broken = f"cannot write the ledger {self.path}: {error.strerror}"
            for record, done in batch:
                if self._broken is None:
                    self._learn(record)
                    done.set_result(None)
                else:
                    done.set_exception(BrokenError(self._broken))

    def _put(self, lines: bytes) -> None:
        self._take_room(len(lines))
        _write_at(self._descriptor, lines, self._size)
        os.fdatasync(self._descriptor)
        self._size += len(lines)
        if self._size > self._least:
            self._compact()

    def _take_room(self, size: int) -> None:
        """Take room on the disk ahead, so that a full one cannot keep an end from being recorded."""
        if self._size + size + RESERVE <= self._ahead:
            return
        try:
            os.posix_fallocate(self._descriptor, self._size, size + AHEAD)
            self._ahead = self._size + size + AHEAD
            self.room = True
        except OSError:
            self.room = False

    def _compact(self) -> None:
        records, _, _ = parse(self.path.read_bytes())
        entries = list(fold(records).values())
        gone = [entry for entry in entries if entry.get("event") == "discarded"]
        dropped = {id(entry) for entry in gone[: max(0, len(gone) - self._remember)]}
        lines = b"".join(encode(entry) for entry in entries if id(entry) not in dropped)
        fresh = self.path.with_suffix(".new")
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(fresh, flags, 0o600)
        _write_at(descriptor, lines, 0)
        os.fsync(descriptor)
        fresh.replace(self.path)
        sync_folder(self.path.parent)
        os.close(self._descriptor)
        self._descriptor, self._size = descriptor, len(lines)
        self._ahead = self._size
        # What has not ended cannot be dropped: wait until it has doubled, or every append would rewrite it.
        self._least = max(self._compact_at, 2 * self._size)


def _write_at(descriptor: int, data: bytes, offset: int) -> None:
    left = memoryview(data)
    while left:
        done = os.pwrite(descriptor, left, offset)
        left, offset = left[done:], offset + done


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to the disk.

    Raises:
        OSError: the disk refused.
    """
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
