"""The end of a log's chain: lines are put behind it together, and made durable by one flush.

Called by the one writer, from its thread; calls the disk. A crash may leave lines that the head does not know yet, or a line that is
cut short: the next who comes finds the end by the lines themselves, and tells of what was cut.
"""

import contextlib
import os
from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path

from controller.clock import Clock
from controller.journal.files import (
    Head,
    LogFiles,
    last_line,
    open_private,
    parse_head,
    write_head,
)
from controller.journal.line import Entry, hash_line, read_line, write_line
from controller.journal.verify import TORN
from controller.store.folder import sync_folder


class FlushError(OSError):
    """The disk did not take what was written: what it holds now is not known."""


class Chain:
    """The chain of one log, which all processes lengthen in turn."""

    def __init__(self, files: LogFiles, *, clock: Clock) -> None:
        self._files = files
        self._clock = clock

    @property
    def name(self) -> str:
        """The name of the log."""
        return self._files.name

    def extend(self, entries: Sequence[Entry]) -> int:
        """Write lines behind the end, in their order; blocks until they are durable.

        Returns:
            How many of them stand now: less than all where the disk had no room for more.

        Raises:
            FlushError: it is not known what stands.
            OSError: none of them stands.
        """
        with self._files.turn() as head:
            now = self._clock.now().astimezone(UTC)
            years = self._files.years()
            newest = years[-1][0] if years else now.year
            # A clock that was set back to last year must not write behind the end of the chain.
            descriptor = open_private(
                self._files.of_year(max(now.year, newest)), os.O_RDWR | os.O_APPEND
            )
            try:
                if os.fstat(descriptor).st_size == 0:
                    # The name is durable before the first line, whoever made it: that one may have been killed since.
                    sync_folder(self._files.folder)
                end = _find_end(descriptor, years, now, head)
                lines = _link(entries, end, now)
                count = _append(descriptor, lines)
            finally:
                os.close(descriptor)
            # The lines stand, whatever becomes of the head: whoever writes next brings it up to them, as after a crash.
            with contextlib.suppress(OSError):
                write_head(head, Head(seq=end.seq + count, sha256=hash_line(lines[count - 1][:-1])))
        return count


def _link(entries: Sequence[Entry], end: Head, now: datetime) -> list[bytes]:
    """Write out lines, each with the hash of the one before."""
    lines: list[bytes] = []
    prev = end.sha256
    for seq, entry in enumerate(entries, start=end.seq + 1):
        lines.append(write_line(entry, ts=now, seq=seq, prev=prev))
        prev = hash_line(lines[-1][:-1])
    return lines


def _find_end(
    descriptor: int, years: tuple[tuple[int, Path], ...], now: datetime, head: int
) -> Head:
    """Find the last line; one that was cut short by a crash is ended and told of."""
    told = parse_head(os.pread(head, 256, 0))
    for _, path in reversed(years):
        source = os.open(path, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            data, whole = last_line(source)
            if not whole:
                _append(source, [b"\n"])
        finally:
            os.close(source)
        found = read_line(data)
        if found is not None:
            return Head(seq=found.seq, sha256=hash_line(data))
        if data:
            seq = told.seq + 1 if told else 1
            return _tell_of_cut(descriptor, seq, now, data, cut=not whole)
    return told or _begin_head(head)


def _begin_head(head: int) -> Head:
    """Write the head of a log without lines: a crash after the first line must not look like a head that somebody took away."""
    nothing = Head()
    write_head(head, nothing)
    os.fsync(head)
    return nothing


def _tell_of_cut(descriptor: int, seq: int, now: datetime, data: bytes, *, cut: bool) -> Head:
    """Write the line that tells of an unreadable one, so that the chain goes on over it."""
    entry = Entry(event=TORN, actor="ctl", fields={"bytes": len(data), "cut": cut})
    written = write_line(entry, ts=now, seq=seq, prev=hash_line(data))
    _append(descriptor, [written])
    return Head(seq=seq, sha256=hash_line(written[:-1]))


def _append(descriptor: int, lines: Sequence[bytes]) -> int:
    """Append lines in one write and flush; gives how many. One that came out short is taken back, so nobody reads half a line.

    The whole lines before it stay: somebody may have read them already.
    """
    before = os.fstat(descriptor).st_size
    written = os.write(descriptor, b"".join(lines))
    ends = [0, *accumulate(map(len, lines))]
    count = bisect_right(ends, written) - 1
    try:
        if written > ends[count]:
            os.ftruncate(descriptor, before + ends[count])
        if count:
            os.fsync(descriptor)
    except OSError as error:
        raise FlushError(*error.args) from error
    if not count:
        raise OSError(f"{written} of {len(lines[0])} bytes were written")
    return count
