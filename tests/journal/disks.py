"""Disks at fault: nearly full, or not taking what was written."""

import contextlib
import errno
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def full(path: Path, *, room: int = 10) -> Iterator[None]:
    """Let a file of this process grow by a few bytes more only, as on a disk that is nearly full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + room, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@contextlib.contextmanager
def counted_flushes() -> Iterator[list[int]]:
    """Note the inode of what is flushed, each time."""
    flush = os.fsync
    seen: list[int] = []

    def fsync(descriptor: int) -> None:
        seen.append(os.fstat(descriptor).st_ino)
        flush(descriptor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        yield seen


@contextlib.contextmanager
def worn_out() -> Iterator[None]:
    """Let each flush fail, as on a disk that wears out."""

    def fsync(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        yield
