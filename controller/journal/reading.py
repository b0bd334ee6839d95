"""Reading a log: its end, or all from a moment on.

Called by `log`; calls nobody. Lines that are not ours are passed over here; `verify` tells of them. Readers take no lock: a line
appears whole or, for an instant, without its line feed, and is then left for the next look.
"""

from collections import deque
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from controller.errors import StateError
from controller.journal.files import LogFiles
from controller.journal.line import LONGEST, Line, read_line


def read_tail(files: LogFiles, count: int) -> tuple[Line, ...]:
    """Read the last lines, oldest first."""
    newest: deque[Line] = deque()
    for _, path in reversed(files.years()):
        for data in _backwards(path):
            line = read_line(data)
            if line is not None and len(newest) < count:
                newest.appendleft(line)
            if len(newest) >= count:
                return tuple(newest)
    return tuple(newest)


def read_since(
    files: LogFiles, *, moment: datetime | None = None, seq: int | None = None
) -> Iterator[Line]:
    """Read all lines from a moment on, or after a number."""
    for _, path in files.years():
        for data in raw_lines(path):
            if not data.endswith(b"\n") and len(data) < 2 * LONGEST:
                return  # it is being written: whoever went on behind it would miss it
            line = read_line(data.rstrip(b"\n"))
            if line is None or (moment is not None and line.ts < moment):
                continue
            if seq is None or line.seq > seq:
                yield line


def raw_lines(path: Path) -> Iterator[bytes]:
    """Read a file line by line, each with its line feed; a line longer than any of ours comes in pieces.

    Raises:
        StateError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            while data := file.readline(2 * LONGEST):
                yield data
    except OSError as error:
        raise StateError(f"cannot read {path}: {error.strerror or error}") from error


def _backwards(path: Path) -> Iterator[bytes]:
    """Read the whole lines of a file, last first, in blocks."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, 2)
            rest = b""
            while end > 0:
                start = max(0, end - LONGEST)
                file.seek(start)
                first, *others = (file.read(end - start) + rest).split(b"\n")
                yield from (line for line in reversed(others) if line)
                rest, end = first[: 2 * LONGEST], start
            if rest:
                yield rest
    except OSError as error:
        raise StateError(f"cannot read {path}: {error.strerror or error}") from error
