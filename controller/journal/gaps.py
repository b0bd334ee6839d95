"""Where bytes are missing from a stored output.

Called by `output`. Kept beside the bytes as JSON pairs [offset, length] in order, replaced whole by rename, so that a crash leaves
the old list or the new one.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from controller.errors import StateError
from controller.store.folder import sync_folder

MOST: Final = 1000
"""Gaps of one output; beyond, whatever follows is dropped into the last one."""


@dataclass(slots=True)
class Gaps:
    """Stretches of the output that are not stored, in order of their offsets, none touching the next."""

    pairs: list[tuple[int, int]] = field(default_factory=list)

    @classmethod
    def read(cls, output: Path) -> Self:
        """Read the gaps of an output.

        Raises:
            StateError: the list is damaged.
        """
        path = _beside(output)
        try:
            told = json.loads(path.read_bytes())
            return cls([(int(offset), int(length)) for offset, length in told])
        except FileNotFoundError:
            return cls()
        except (ValueError, TypeError, RecursionError) as error:
            raise StateError(f"cannot read {path}: it is damaged") from error

    @property
    def total(self) -> int:
        """Bytes that are missing altogether."""
        return sum(length for _, length in self.pairs)

    @property
    def room(self) -> bool:
        """Whether bytes may still be stored behind the last gap."""
        return len(self.pairs) < MOST

    def add(self, offset: int, length: int) -> None:
        """Tell of missing bytes at the end; those right behind the last gap belong to it."""
        if self.pairs and sum(self.pairs[-1]) == offset:
            last, before = self.pairs[-1]
            self.pairs[-1] = (last, before + length)
        else:
            self.pairs.append((offset, length))

    def place(self, offset: int) -> tuple[int, int, int | None]:
        """Find where to read: the first stored offset from `offset` on, its place in the file, and the next gap."""
        missing = 0
        for at, length in self.pairs:
            if offset < at:
                return offset, offset - missing, at
            missing += length
            offset = max(offset, at + length)
        return offset, offset - missing, None

    def write(self, output: Path) -> None:
        """Replace the list.

        Raises:
            OSError: the disk does not take it.
        """
        path = _beside(output)
        fresh = path.with_name(f"{path.name}.new")
        flags = os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(fresh, flags, 0o600), "wb") as file:
            file.write(json.dumps(self.pairs).encode())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        sync_folder(path.parent)


def _beside(output: Path) -> Path:
    return output.with_name(f"{output.name}.gaps")
