"""The exit file: the end of an attempt, whole or not at all, and until then where its command is to be found.

`supervisor` writes it; `register` reads the record and makes an `End` of it. Calls `lines`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from controller.execution.lines import decode, encode

# pathlib would cost every supervisor memory and time.
# ruff: noqa: PTH104, PTH123

RESERVE = 4096
"""Bytes written ahead, for when the disk is full by then: more than any record has."""
MOST = 65536


class ExitFile:
    """The exit file of one attempt.

    Args:
        folder: of the attempt.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._path = f"{folder}/exit"
        self._descriptor = -1

    def reserve(self) -> None:
        """Take the room for it.

        Raises:
            OSError: the disk refused.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._descriptor = os.open(f"{self._path}.new", flags, 0o600)
        os.write(self._descriptor, b"\n" * RESERVE)

    def note(self, leader: Mapping[str, object]) -> None:
        """Write down who the command is, for whoever must end it when its supervisor is gone.

        Raises:
            OSError: the disk refused.
        """
        os.pwrite(self._descriptor, encode(leader), 0)

    def write(self, record: Mapping[str, object], *, sure: bool) -> None:
        """Write the end in the room taken for it, and then give it its name.

        Args:
            record: the end.
            sure: bring it to the disk, because nobody is there who writes it into the ledger now.

        Raises:
            OSError: the disk refused.
        """
        line = encode(record)
        os.pwrite(self._descriptor, line, 0)
        os.ftruncate(self._descriptor, len(line))
        if sure:
            os.fsync(self._descriptor)
        os.rename(f"{self._path}.new", self._path)
        if sure:
            _sync(self._folder)

    def close(self) -> None:
        """Close it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def read(self) -> dict[str, object] | None:
        """Read the record of the end; None when there is none that is whole.

        Raises:
            OSError: nobody can look now.
        """
        return _first_line(self._path)

    def noted(self) -> dict[str, object] | None:
        """Read who the command of an attempt is that has not ended; None when nobody noted it."""
        return _first_line(f"{self._path}.new")


def _first_line(path: str) -> dict[str, object] | None:
    try:
        with open(path, "rb") as file:
            return decode(file.readline(MOST))
    except (FileNotFoundError, NotADirectoryError):
        return None


def _sync(folder: str) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
