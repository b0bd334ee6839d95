"""The config repository as the steps see it, wherever it lies.

`reconcile` and the faces take one; `config.ConfigRepo` is a person's work tree, `tracked.TrackedConfig` a branch that is followed.
Every method blocks for some tens of milliseconds; call it in a thread where others wait.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Protocol

from controller.model.diagnostic import Place
from controller.model.ids import Sha
from controller.model.revision import Revision, Written
from controller.model.tree import Tree


class Configuration(Protocol):
    """Declarations in git, at one commit at a time."""

    @property
    def root(self) -> Path:
        """Where it lies on this machine, for people."""
        ...

    @property
    def in_git(self) -> bool:
        """Whether it has commits at all."""
        ...

    def head(self) -> Revision | None:
        """Read the commit that counts now; None while there is none."""
        ...

    def revision(self, sha: Sha) -> Revision:
        """Read one commit.

        Raises:
            NotFoundError: there is no such commit.
        """
        ...

    def resolve(self, rev: str) -> Sha:
        """Find the commit that a person's word means.

        Raises:
            NotFoundError: it means none.
        """
        ...

    def as_of(self, moment: datetime) -> Sha:
        """Find the newest commit that was there at a moment.

        Raises:
            NotFoundError: there was none yet.
        """
        ...

    def dirty(self) -> tuple[str, ...]:
        """Name what is not committed."""
        ...

    def tree(self, sha: Sha) -> Tree:
        """List the files of a commit.

        Raises:
            NotFoundError: there is no such commit.
        """
        ...

    def work_tree(self) -> Tree:
        """List the files that count now: those on disk, or of the commit in force."""
        ...

    def blame(self, places: Iterable[Place], sha: Sha | None) -> Mapping[Place, Written]:
        """Find who wrote lines, as of a commit or (None) as they count now."""
        ...

    def last_mentions(self, names: Iterable[str], sha: Sha) -> Mapping[str, Written]:
        """Find the commit that last added or removed a key of a name, as of a commit."""
        ...
