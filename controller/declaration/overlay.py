"""A tree with some of its files changed: what a config repository would be after a patch. Called by `reconcile`; pure."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace

from controller.model.tree import Entry, Tree


class Overlay:
    """A tree in which other bytes stand at some paths, all of which are there already."""

    def __init__(self, below: Tree, changed: Mapping[str, bytes]) -> None:
        self._below = below
        self._changed = changed
        self.refused: Mapping[str, str] = below.refused
        self.entries: Mapping[str, Entry] = {
            path: replace(
                entry, blob=hashlib.sha256(changed[path]).hexdigest(), size=len(changed[path])
            )
            if path in changed
            else entry
            for path, entry in below.entries.items()
        }

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes]:
        """Read many files at once."""
        wanted = list(paths)
        found = dict(self._below.read([path for path in wanted if path not in self._changed]))
        return {path: self._changed.get(path, found.get(path, b"")) for path in wanted}
