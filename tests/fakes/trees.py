"""Trees for tests: a map of paths to bytes, and a folder on disk with its links as git keeps them."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from controller.errors import NotFoundError
from controller.model.tree import Entry

FILE, PROGRAM, LINK = 0o100644, 0o100755, 0o120000


class MemoryTree:
    """Files given as a mapping; text is taken as UTF-8."""

    def __init__(
        self, files: Mapping[str, bytes | str], modes: Mapping[str, int] | None = None
    ) -> None:
        self._files = {
            path: data.encode() if isinstance(data, str) else data
            for path, data in sorted(files.items())
        }
        self.refused: Mapping[str, str] = {}
        self.entries: Mapping[str, Entry] = {
            path: Entry(
                path=path,
                blob=hashlib.sha256(data).hexdigest(),
                mode=(modes or {}).get(path, FILE),
                size=len(data),
            )
            for path, data in self._files.items()
        }

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes]:
        """Read many files at once."""
        try:
            return {path: self._files[path] for path in paths}
        except KeyError as error:
            raise NotFoundError(f"cannot find {error.args[0]!r}") from None


def folder_tree(root: Path) -> MemoryTree:
    """Take a folder as it is now; `.git` is left out, links are kept as links."""
    files: dict[str, bytes | str] = {}
    modes: dict[str, int] = {}
    for base, folders, names in os.walk(root):
        if ".git" in folders:
            folders.remove(".git")
        for name in (*names, *(item for item in folders if (Path(base) / item).is_symlink())):
            path = Path(base) / name
            key = path.relative_to(root).as_posix()
            if path.is_symlink():
                files[key], modes[key] = str(path.readlink()), LINK
            elif path.is_file():
                files[key] = path.read_bytes()
                modes[key] = PROGRAM if os.access(path, os.X_OK) else FILE
    return MemoryTree(files, modes)
