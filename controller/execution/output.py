"""Reading an attempt's output from any offset across its segments, while it is being written or afterwards.

`executor` calls it; it reads what `spool` wrote.
"""

# pathlib takes three times as long to look into a folder.
# ruff: noqa: PTH208
from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from controller.execution.errors import FullError
from controller.execution.spool import segment_name
from controller.execution.status import End

PIECE = 256 << 10


@dataclass(frozen=True)
class Chunk:
    """Output from `offset` on; `gap` bytes before it are not there: past the cap, or lost with a full disk."""

    offset: int
    data: bytes
    gap: int = 0


class Output:
    """The output of one attempt on the disk.

    Args:
        folder: of its segments.
        head: bytes kept of its beginning.
    """

    def __init__(self, folder: Path, *, head: int) -> None:
        self._folder = folder
        self._head = head

    def length(self) -> int:
        """Say how many bytes there are so far."""
        begins = self._begins()
        return begins[-1] + self._size(begins[-1]) if begins else 0

    def read(self, offset: int, *, end: End | None, limit: int = PIECE) -> Chunk | None:
        """Read on from an offset; None when nothing more is there (yet).

        Args:
            offset: where to begin.
            end: of the attempt, once it has ended: says what belongs to the kept tail.
            limit: bytes at most.
        """
        while True:
            at = self._skip(offset, end)
            # One look, before the reading: where a later segment is there already, this one is whole, and what it has
            # not is a gap. A look afterwards would take what was written meanwhile for lost.
            begins = self._begins()
            begin = max((one for one in begins if one <= at), default=-1)
            following = min((one for one in begins if one > at), default=-1)
            data = b"" if begin < 0 else self._piece(begin, at - begin, limit)
            if data is None:
                continue  # the segment went between looking and opening
            if end is not None and at < self._head:
                data = data[: self._head - at]
            if data:
                return Chunk(at, data, at - offset)
            if following < 0:
                return self._rest(offset, end)
            return self._jump(offset, following, end, limit)

    def _skip(self, offset: int, end: End | None) -> int:
        """Step over what is past the cap once the end says where the kept tail begins."""
        if end is not None and self._head <= offset < end.kept:
            return min(end.kept, end.length)
        return offset

    def _jump(self, offset: int, following: int, end: End | None, limit: int) -> Chunk | None:
        data = self._piece(following, 0, limit)
        return Chunk(following, data, following - offset) if data else None

    def _rest(self, offset: int, end: End | None) -> Chunk | None:
        """Tell of bytes at the end that are not there for want of room."""
        if end is None or offset >= end.length:
            return None
        return Chunk(end.length, b"", end.length - offset)

    def _begins(self) -> list[int]:
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise FullError(f"cannot look for output: {error.strerror}") from error
        return sorted(int(name[2:]) for name in names if name.startswith("o."))

    def _size(self, begin: int) -> int:
        try:
            return (self._folder / segment_name(begin)).stat().st_size
        except FileNotFoundError:
            return 0

    def _piece(self, begin: int, skip: int, limit: int) -> bytes | None:
        try:
            opened = os.open(self._folder / segment_name(begin), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FullError(f"cannot read output: {error.strerror}") from error
        try:
            return os.pread(opened, limit, skip)
        finally:
            os.close(opened)
