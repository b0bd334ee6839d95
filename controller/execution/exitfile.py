"""The exit file: the end of an attempt, on the disk whole or not at all.

`supervisor` writes it; `register` reads the record and makes an `End` of it. Calls `lines`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping

from controller.execution.lines import decode, encode

# pathlib would cost every supervisor memory and time.
# ruff: noqa: PTH104, PTH123

RESERVE = 8192
"""Bytes taken ahead, for when the disk is full by then; the message in it is bounded far below."""
MOST = 65536


class ExitFile:
    """The exit file of one attempt.

    Args:
        folder: of the attempt.
    """

    def __init__(self, folder: str) -> None:
        self._path = f"{folder}/exit"
        self._descriptor = -1

    def reserve(self) -> None:
        """Take the room for it.

        Raises:
            OSError: the disk refused.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._descriptor = os.open(f"{self._path}.new", flags, 0o600)
        with contextlib.suppress(OSError):  # a file system that cannot reserve
            os.posix_fallocate(self._descriptor, 0, RESERVE)

    def write(self, record: Mapping[str, object]) -> None:
        """Write the end in the room taken for it, and give it its name once it is on the disk.

        Raises:
            OSError: the disk refused.
        """
        line = encode(record)
        os.write(self._descriptor, line)
        os.ftruncate(self._descriptor, len(line))
        os.fsync(self._descriptor)
        os.close(self._descriptor)
        os.rename(f"{self._path}.new", self._path)

    def read(self) -> dict[str, object] | None:
        """Read the record; None when there is none that is whole."""
        try:
            with open(self._path, "rb") as file:
                return decode(file.read(MOST))
        except OSError:
            return None
