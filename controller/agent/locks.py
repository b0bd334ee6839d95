"""The lock of one target on the disk, in the same bytes as the runner over ssh writes them, so that both carriers meet.

A lock is a folder of generations `h.000000000000001`, `h.000000000000002` ...: exactly one can follow another, and the
highest is in force. Each says on one line each: the boot id, pid and start time of whoever keeps it, the run ("-" is
free), the holder as JSON, and a dot. `attempts.N` lists the attempts that work under generation N.

`targets` calls it in a thread of its own; it calls only the disk.
"""

# The numbers of generations are compared as text, so they are padded.
from __future__ import annotations

import os
import re
import time
from pathlib import Path

from controller.agent.errors import AgentError
from controller.execution.ledger import sync_folder
from controller.wire.record import record

FREE = "-"
NOBODY = "0 0"
"""A keeper that never lives: whoever wants the lock may take it once the work under it has ended."""
MOST = 16 << 10
"""Bytes of a generation that are read."""
MOST_ATTEMPTS = 1 << 20
WHOLE_BY = (0.05, 0.2)
"""Seconds after which a generation that is being written is looked at again."""
_FILE = re.compile(r"h\.([0-9]{15})")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


@record
class Generation:
    """One generation of a lock; one that is torn, or free, has no run."""

    number: int = 0
    boot: str = ""
    keeper: str = ""
    run: str = ""
    holder: bytes = b""

    @property
    def held(self) -> bool:
        """Say whether somebody took it and did not give it back."""
        return bool(self.run)


class Lock:
    """The lock of one target.

    Args:
        folder: of its generations.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self) -> Generation:
        """Give the generation in force."""
        number = max(self._numbers(), default=0)
        if not number:
            return Generation()
        for pause in (*WHOLE_BY, 0.0):
            lines = self._lines(number)
            if lines[4:5] == [b"."]:
                boot, keeper, run = (line.decode("utf-8", "replace") for line in lines[:3])
                if run == FREE:
                    break
                return Generation(number=number, boot=boot, keeper=keeper, run=run, holder=lines[3])
            time.sleep(pause)
        return Generation(number=number)

    def follow(self, before: Generation, after: Generation) -> bool:
        """Put a generation in force after the one that was; False when somebody else did.

        Args:
            before: what was read.
            after: its boot, keeper, run and holder; no run gives the lock back.

        Raises:
            AgentError: the disk refused.
        """
        lines = (after.boot, after.keeper, after.run or FREE)
        content = "\n".join(lines).encode() + b"\n" + after.holder + b"\n.\n"
        number = before.number + 1
        fresh = self.folder / f".h.{os.getpid()}"
        try:
            _write(fresh, content)
            os.link(fresh, self.folder / f"h.{number:015}")
        except FileExistsError:
            return False
        except OSError as error:
            raise AgentError(f"cannot take the lock {self.folder}: {error.strerror}") from error
        finally:
            fresh.unlink(missing_ok=True)
        sync_folder(self.folder)
        for old in (f"h.{number - 2:015}", f"attempts.{number - 2}"):
            (self.folder / old).unlink(missing_ok=True)
        return True

    def attempts(self, number: int) -> list[str]:
        """Name the attempts that work, or worked, under a generation."""
        try:
            with (self.folder / f"attempts.{number}").open("rb") as file:
                lines = file.read(MOST_ATTEMPTS).decode("ascii", "replace").split("\n")
        except OSError:
            return []
        return [line for line in lines if _ID.fullmatch(line)]

    def add(self, number: int, names: list[str]) -> None:
        """Note that attempts work under a generation.

        Raises:
            AgentError: the disk refused.
        """
        try:
            with (self.folder / f"attempts.{number}").open("ab") as file:
                file.write("".join(f"{name}\n" for name in names).encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise AgentError(f"cannot write to {self.folder}: {error.strerror}") from error

    def _numbers(self) -> list[int]:
        try:
            names = [one.name for one in self.folder.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [int(found[1]) for name in names if (found := _FILE.fullmatch(name))]

    def _lines(self, number: int) -> list[bytes]:
        try:
            with (self.folder / f"h.{number:015}").open("rb") as file:
                return file.read(MOST).split(b"\n")
        except OSError:
            return []


def store(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all, also after a loss of power.

    Raises:
        AgentError: the disk refused.
    """
    fresh = path.with_name(f"{path.name}.new")
    try:
        _write(fresh, content)
        fresh.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise AgentError(f"cannot write {path}: {error.strerror}") from error


def _write(path: Path, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    opened = os.open(path, flags, 0o600)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(opened, left) :]
        os.fsync(opened)
    finally:
        os.close(opened)
