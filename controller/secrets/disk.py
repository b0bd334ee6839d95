"""Small files that hold values: read whole, with a bound, never waiting for a pipe or a device; made private.

Called by the sources and by the face of `ctl secret`.
"""

import contextlib
import os
import secrets
import stat
from pathlib import Path
from typing import Final

from controller.secrets.trouble import ReadingError

LARGEST: Final = 64 << 10
"""Bytes of one value."""
PRIVATE: Final = 0o600
_NEW: Final = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC


def read_small(path: Path, *, most: int = LARGEST, shown: str | None = None) -> bytes:
    """Read a regular file of at most so many bytes.

    Args:
        path: where it lies.
        most: bytes.
        shown: how messages call it.

    Raises:
        ReadingError: it is not there, not readable, not regular or too large.
    """
    shown = f"file {path}" if shown is None else shown
    try:
        value = _read_regular(path, most)
    except OSError as error:
        raise ReadingError(f"{shown}: {(error.strerror or str(error)).lower()}") from None
    if len(value) > most:
        raise ReadingError(f"{shown} is over {most >> 10} KiB")
    return value


def read_value(path: Path, *, shown: str) -> bytes:
    """Read a file that holds one value.

    Raises:
        ReadingError: as `read_small`, or nothing is in it.
    """
    value = read_small(path, shown=shown)
    if not value.strip():
        raise ReadingError(f"{shown} is empty")
    return one_line(value)


def one_line(value: bytes) -> bytes:
    """Drop the newline that ends a text of one line; a value of many lines (a key) stays as it is."""
    bare = value.rstrip(b"\r\n")
    return value if b"\n" in bare else bare


def write_new(path: Path, data: bytes) -> None:
    """Make a private file that was not there, durable.

    Raises:
        ReadingError: something of that name is there, or the disk says no.
    """
    try:
        descriptor = os.open(path, _NEW, PRIVATE)
    except FileExistsError:
        raise ReadingError(
            f"{path} is there already", hint="name another file, or move that one away"
        ) from None
    except OSError as error:
        raise ReadingError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    try:
        _fill(descriptor, data, PRIVATE)
    except OSError as error:
        path.unlink(missing_ok=True)  # half a file is none
        raise ReadingError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    finally:
        os.close(descriptor)


def replace(path: Path, data: bytes) -> None:
    """Replace a regular file in one step, durable, with the rights it had.

    Raises:
        ReadingError: it is no regular file, or the disk says no; the old one is then untouched.
    """
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            raise ReadingError(f"{path} is not a regular file")
        descriptor = os.open(fresh, _NEW, PRIVATE)
        try:
            _fill(descriptor, data, stat.S_IMODE(found.st_mode))
        finally:
            os.close(descriptor)
        fresh.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise ReadingError(f"{path}: {(error.strerror or str(error)).lower()}") from None


def _fill(descriptor: int, data: bytes, mode: int) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.fchmod(descriptor, mode)
    os.fsync(descriptor)


def _read_regular(path: Path, most: int) -> bytes:
    opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise OSError(0, "not a regular file")
        with open(opened, "rb", closefd=False) as file:
            return file.read(most + 1)
    finally:
        os.close(opened)
