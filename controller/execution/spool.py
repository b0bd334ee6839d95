"""The spool of an attempt's output: numbered segments on the disk, bounded, exact, always summed up.

A segment is a file `o.OFFSET`. The head is kept for ever; past it only segments that reach into the tail stay. The
digest and the length are of every byte, kept or not. When the disk takes no more, bytes are still counted and summed
up, so the command is never held back. `supervisor` writes, `output` reads. Calls only the disk.
"""

# pathlib would cost every supervisor memory and time.
# ruff: noqa: PTH108
from __future__ import annotations

import contextlib
import hashlib
import os
from collections import deque

LEAST_SEGMENT = 64 << 10
SHARE = 9  # of the tail: at most this much more of it is on the disk than was asked for


def segment_name(offset: int) -> str:
    """Name the segment that begins at an offset."""
    return f"o.{offset:015d}"


class Spool:
    """An output being written.

    Args:
        folder: where segments go; it exists.
        head: bytes kept of the beginning.
        tail: bytes kept of the end.
    """

    def __init__(self, folder: str, *, head: int, tail: int) -> None:
        self.length = 0
        self.lost: int | None = None
        self._folder = folder
        self._head = head
        self._tail = tail
        self._size = max(LEAST_SEGMENT, tail // SHARE)
        self._digest = hashlib.sha256()
        self._segment = -1
        self._ends = 0
        self._shelf: deque[tuple[int, int]] = deque()  # (begin, end) of what lies past the head
        self._kept: list[int] = []

    def take(self, data: memoryview) -> None:
        """Count, sum up and write bytes."""
        self._digest.update(data)
        if self.lost is not None:
            self.length += len(data)
            return
        try:
            while data:
                if self.length == self._ends:
                    self._turn()
                data = data[self._write(data[: self._ends - self.length]) :]
        except OSError:
            self.lost = self.length
            self.length += len(data)

    def finish(self) -> dict[str, object]:
        """Bring what is kept to the disk and say what there is, in the words of `status.End`."""
        if self._segment >= 0:
            os.close(self._segment)
        for begin in (*self._kept, *(begin for begin, _ in self._shelf)):
            self._sync(begin)
        return {
            "length": self.length,
            "sha256": self._digest.hexdigest(),
            "kept": max(self._head, self.length - self._tail),
            "lost": self.lost,
        }

    def _write(self, data: memoryview) -> int:
        written = os.write(self._segment, data)
        self.length += written
        return written

    def _turn(self) -> None:
        """Begin the next segment, and let go of those that the tail has left behind."""
        if self._segment >= 0:
            os.close(self._segment)
            self._segment = -1
        begin = self.length
        end = min(begin + self._size, self._head) if begin < self._head else begin + self._size
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        self._segment = os.open(f"{self._folder}/{segment_name(begin)}", flags, 0o600)
        self._ends = end
        if begin < self._head:
            self._kept.append(begin)
            return
        self._shelf.append((begin, end))
        while self._shelf[0][1] <= self.length - self._tail:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{self._folder}/{segment_name(self._shelf.popleft()[0])}")

    def _sync(self, begin: int) -> None:
        try:
            opened = os.open(f"{self._folder}/{segment_name(begin)}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fdatasync(opened)
            finally:
                os.close(opened)
        except OSError:
            # The bytes may be gone after a loss of power; say so rather than promise them.
            self.lost = begin if self.lost is None else min(self.lost, begin)
