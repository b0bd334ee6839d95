"""Streams under way: who writes, what may still be sent, which bytes must come next.

`session` calls it for every message of a stream; it decides and keeps counts, and sends nothing.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from controller.wire.errors import ProtocolError, UnknownCallError, WindowFullError
from controller.wire.messages.streams import Chunk
from controller.wire.messages.table import Flow, To


@dataclass
class Stream:
    """One end of one stream; `offset` is that of the next byte, `credit` what may still be sent to the reader."""

    writes: bool
    offset: int
    credit: int = 0
    owed: int = 0
    """Bytes the reader here has granted and not yet said so."""


class Streams:
    """The open streams of one session, opened by both sides."""

    def __init__(self, side: To, most: int, credit: int) -> None:
        self._most = most
        self.most_out = most
        """Streams that the peer takes at once; it says so in its greeting."""
        self._credit = credit
        self._open: dict[int, Stream] = {}
        self._granting: set[int] = set()
        self._next = 1 if side is To.CONTROLLER else 2
        self._last_theirs = 0

    def go_on(self, before: Streams) -> None:
        """Give no number again that was given before."""
        self._next = before._next

    @property
    def numbers(self) -> tuple[int, ...]:
        """Streams that are open."""
        return tuple(self._open)

    def open(self, flow: Flow | None, offset: int) -> int:
        """Number a stream that this side opens.

        Raises:
            WindowFullError: as many are open as may be.
        """
        if self._count(self._next) >= self.most_out:
            raise WindowFullError(f"cannot open a stream: {self.most_out} are open")
        number = self._next
        self._next += 2
        self._open[number] = Stream(writes=flow is Flow.WRITE, offset=offset)
        return number

    def opened(self, number: int, flow: Flow | None, offset: int) -> None:
        """Take a stream that the peer opens.

        Raises:
            ProtocolError: its number is not the peer's to give or not new, or too many are open.
        """
        if number % 2 == self._next % 2 or number <= self._last_theirs:
            raise ProtocolError("bad-stream", f"stream {number} comes after {self._last_theirs}")
        if self._count(number) >= self._most:
            raise ProtocolError("too-many-streams", f"more than {self._most} streams at once")
        self._last_theirs = number
        self._open[number] = Stream(writes=flow is Flow.READ, offset=offset)

    def refuse(self, number: int) -> None:
        """Count a stream of the peer's as opened and closed; what it says of it before it knows is no lie."""
        if number % 2 != self._next % 2:
            self._last_theirs = max(self._last_theirs, number)

    def known(self, number: int) -> bool:
        """Say whether a stream was ever opened, so that what comes for it may be late but is no lie."""
        ours = number % 2 == self._next % 2
        return number in self._open or 0 < number < (self._next if ours else self._last_theirs + 1)

    def find(self, number: int) -> Stream | None:
        """Give an open stream."""
        return self._open.get(number)

    def close(self, number: int) -> None:
        """Forget a stream."""
        self._open.pop(number, None)
        self._granting.discard(number)

    def write(self, number: int, data: bytes, gap: int) -> Chunk:
        """Make the next chunk of a stream that this side writes.

        Raises:
            UnknownCallError: it is not open, or the peer writes it.
            WindowFullError: the reader takes less than that now.
        """
        stream = self._mine(number, writes=True)
        if len(data) > stream.credit:
            raise WindowFullError(f"cannot send {len(data)} bytes of stream {number} yet")
        stream.credit -= len(data)
        stream.offset += gap + len(data)
        return Chunk(offset=stream.offset - len(data), crc=zlib.crc32(data), gap=gap, data=data)

    def read(self, number: int, chunk: Chunk) -> None:
        """Check a chunk that came.

        Raises:
            ProtocolError: more than was granted, not the next bytes, or not what was sent.
        """
        stream = self._open[number]
        if stream.writes:
            raise ProtocolError("bad-chunk", f"stream {number} is written by the other side")
        if chunk.offset != stream.offset + chunk.gap:
            raise ProtocolError("bad-chunk", f"stream {number} goes on at {stream.offset}")
        if len(chunk.data) > stream.credit:
            raise ProtocolError("no-credit", f"stream {number} had {stream.credit} bytes of credit")
        if zlib.crc32(chunk.data) != chunk.crc:
            raise ProtocolError("bad-crc", f"a chunk of stream {number} has another CRC-32")
        stream.credit -= len(chunk.data)
        stream.offset += chunk.gap + len(chunk.data)

    def ended(self, number: int) -> None:
        """Take the end of a stream that the peer writes.

        Raises:
            ProtocolError: this side writes it.
        """
        if self._open[number].writes:
            raise ProtocolError("bad-end", f"stream {number} is written by the other side")
        self.close(number)

    def grant(self, number: int, size: int) -> None:
        """Note that the reader here takes `size` bytes more.

        Raises:
            UnknownCallError: the stream is not open, or this side writes it.
        """
        self._mine(number, writes=False).owed += size
        self._granting.add(number)

    def room(self, number: int) -> int:
        """Say how many bytes the reader of a stream takes now."""
        stream = self._open.get(number)
        return stream.credit if stream and stream.writes else 0

    def due(self) -> dict[int, int]:
        """Take the grants that must be said now, by stream, never above the credit that may be under way."""
        due = {}
        for number in sorted(self._granting):
            stream = self._open[number]
            size = min(stream.owed, self._credit - stream.credit)
            stream.owed -= size
            stream.credit += size
            if size:
                due[number] = size
            if not stream.owed:
                self._granting.discard(number)
        return due

    def granted(self, number: int, size: int) -> None:
        """Take credit from the reader.

        Raises:
            ProtocolError: this side does not write the stream, or the sum is absurd.
        """
        stream = self._open[number]
        stream.credit += size
        if not stream.writes or not 0 < size <= stream.credit < 1 << 40:
            raise ProtocolError("bad-credit", f"stream {number} can't take {size} bytes of credit")

    def _count(self, like: int) -> int:
        """Count the open streams that the side of stream `like` opened."""
        return sum(1 for number in self._open if number % 2 == like % 2)

    def _mine(self, number: int, *, writes: bool) -> Stream:
        stream = self._open.get(number)
        if stream is None or stream.writes is not writes:
            raise UnknownCallError(f"cannot use stream {number}: it is not open for that here")
        return stream
