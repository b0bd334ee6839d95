"""The files of one log: one a year, and the head that says where its chain ends.

Called by `log`, `reading` and `verify`. `<name>-<year>.log` holds lines; `<name>.head` is the lock that writers of all processes
take in turn, and holds number and hash of the last line, so that lines cut off at the end are missed.
"""

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controller.journal.line import ZEROS

_HEAD: Final = 256
_BLOCK: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Number and hash of the last line."""

    seq: int = 0
    sha256: str = ZEROS


class LogFiles:
    """The files of one log in one folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.head = folder / f"{name}.head"
        self._pattern = re.compile(rf"{re.escape(name)}-(\d{{4}})\.log")

    def years(self) -> tuple[tuple[int, Path], ...]:
        """List the files, oldest year first; none when the folder is not there."""
        try:
            names = os.listdir(self.folder)  # noqa: PTH208  # names are all that is needed
        except FileNotFoundError:
            return ()
        found = (self._pattern.fullmatch(name) for name in names)
        return tuple(sorted((int(one[1]), self.folder / one[0]) for one in found if one))

    def of_year(self, year: int) -> Path:
        """Name the file of a year."""
        return self.folder / f"{self.name}-{year:04d}.log"

    @contextlib.contextmanager
    def turn(self) -> Iterator[int]:
        """Wait for our turn to write, over all processes; gives the head's descriptor."""
        descriptor = open_private(self.head, os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)

    def read_head(self) -> Head | None:
        """Read where the chain ends; None when nobody wrote it yet or it cannot be read."""
        try:
            return parse_head(self.head.read_bytes()[:_HEAD])
        except FileNotFoundError:
            return None


def write_head(descriptor: int, head: Head) -> None:
    """Write the head in place, in one write of a fixed length."""
    told = json.dumps({"seq": head.seq, "sha256": head.sha256}).encode()
    os.pwrite(descriptor, told.ljust(_HEAD - 1) + b"\n", 0)


def parse_head(data: bytes) -> Head | None:
    """Read a head; None when it is not one."""
    try:
        told = json.loads(data)
        return Head(seq=int(told["seq"]), sha256=str(told["sha256"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def open_private(path: Path, flags: int) -> int:
    """Open a file for its owner alone, making it where needed; links are not followed."""
    return os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def last_line(descriptor: int) -> tuple[bytes, bool]:
    """Read the last line of a file, and whether it is whole (ends in a line feed)."""
    end = os.fstat(descriptor).st_size
    tail = b""
    while end > 0:
        start = max(0, end - _BLOCK)
        tail = os.pread(descriptor, end - start, start) + tail
        end = start
        if b"\n" in tail[:-1]:
            break
    whole = tail.endswith(b"\n")
    return (tail[:-1] if whole else tail).rpartition(b"\n")[2], whole or not tail
