"""Files that are there whole or not at all, whoever dies meanwhile.

`keyfolder` and `installing` write by it; it calls the kernel.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from controller.agent.errors import FolderError
from controller.agent.trust import FILE, FOLDER, distrust
from controller.wire.record import record

NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
LARGEST = 64 << 20
"""Bytes of a file that is compared with what would be written."""


@record
class File:
    """One file as it shall be."""

    path: str
    mode: int
    content: bytes


def write_file(file: File) -> bool:
    """Write a file in one step, durable; its folder is made where it is missing.

    Returns:
        False when it was there just so.

    Raises:
        FolderError: the folder is not root's or ours alone, or the disk says no.
    """
    parent, _, name = file.path.rpartition("/")
    folder = _open(parent)
    try:
        return put(folder, name, file.content, mode=file.mode)
    except OSError as error:
        raise FolderError(f"cannot write {file.path}: {why(error)}") from error
    finally:
        os.close(folder)


def make(path: str, mode: int) -> None:
    """Make a folder with a mode, and what is missing above it."""
    with contextlib.suppress(FileExistsError):
        Path(path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        Path(path).mkdir(mode)


def put(folder: int, name: str, content: bytes, *, mode: int) -> bool:
    """Write a file of an open folder in one step, durable; false when it was there just so.

    Raises:
        OSError: the disk says no; what was there is as it was.
    """
    if read(folder, name) == (content, mode):
        return False
    fresh = f".{name}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(fresh, dir_fd=folder)
    create(folder, fresh, content, mode=mode)
    os.replace(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)
    return True


def create(folder: int, name: str, content: bytes, *, mode: int) -> None:
    """Make a file that was not there, durable; half a file is none.

    Raises:
        OSError: it is there, or the disk says no.
    """
    opened = os.open(name, NEW, 0o600, dir_fd=folder)
    try:
        with os.fdopen(opened, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        os.unlink(name, dir_fd=folder)
        raise
    os.fsync(folder)


def _open(path: str) -> int:
    """Open a folder that only root and we can change, made where it is missing."""
    try:
        Path(path).mkdir(mode=0o755, parents=True, exist_ok=True)
        folder = os.open(path, FOLDER)
    except OSError as error:
        raise FolderError(f"cannot make the folder {path}: {why(error)}") from error
    problem = distrust(os.fstat(folder))
    if problem:
        os.close(folder)
        raise FolderError(
            f"cannot trust {path}: it {problem}", hint=f"chown root {path}; chmod go-w {path}"
        )
    return folder


def read(folder: int, name: str) -> tuple[bytes, int] | None:
    """Give a regular file of an open folder, with its mode; None when there is none."""
    try:
        opened = os.open(name, FILE, dir_fd=folder)
    except OSError:
        return None
    with os.fdopen(opened, "rb") as file:
        about = os.fstat(opened)
        if not stat.S_ISREG(about.st_mode) or about.st_size > LARGEST:
            return None
        return file.read(), stat.S_IMODE(about.st_mode)


def why(error: OSError) -> str:
    """Say what the system said, as the end of a message."""
    return (error.strerror or str(error)).lower()
