"""The files of one commit, or of a work tree, as bytes.

`source` makes trees; `declaration` reads them and never sees a disk.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file: `blob` is its git object id (or an equal hash of its bytes), `mode` its git file mode."""

    path: str
    blob: str
    mode: int
    size: int


class Tree(Protocol):
    """A tree of files that does not change while it is read."""

    @property
    def entries(self) -> Mapping[str, Entry]:
        """Every regular file by its path from the root, in sorted order."""
        ...

    @property
    def refused(self) -> Mapping[str, str]:
        """What was left out, by its path (escaped), and why: links, odd names, what is too large."""
        ...

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes]:
        """Read many files at once.

        Raises:
            NotFoundError: a path is not in `entries`.
        """
        ...
