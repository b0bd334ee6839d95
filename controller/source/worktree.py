"""The files of a folder as they are on disk now, committed or not.

Called by `config`; calls `git` for what is committed. Files that equal the index are read from git's objects, all others are
read from disk once and kept, so that the tree stays the same while it is read. No link is ever followed.
"""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from controller.errors import SourceError
from controller.model.tree import Entry
from controller.source.objects import (
    MOST_BYTES,
    MOST_FILES,
    entry_of,
    escaped,
    oddity,
    read_blobs,
    too_many,
)

LARGEST: Final = 8 << 20
SKIPPED: Final = frozenset({".git", ".ctl", ".hg", ".svn", ".venv"})
EXECUTABLE: Final = 0o100755
PLAIN: Final = 0o100644


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkTree:
    """The files of a folder at one moment; `refused` says which were left out, and why."""

    entries: Mapping[str, Entry]
    refused: Mapping[str, str]
    folder: Path = field(repr=False)
    held: Mapping[str, bytes] = field(repr=False)

    def read(self, paths: Iterable[str]) -> Mapping[str, bytes]:
        """Read many files at once.

        Raises:
            NotFoundError: a path is not in `entries`.
            SourceError: they are larger than 64 MiB together.
        """
        wanted = {path: entry_of(self.entries, path) for path in paths}
        stored = [entry for path, entry in wanted.items() if path not in self.held]
        blobs = read_blobs(stored, folder=self.folder)
        return {
            path: self.held[path] if path in self.held else blobs[entry.blob]
            for path, entry in wanted.items()
        }


def blob_id(data: bytes, *, digits: int = 40) -> str:
    """Hash bytes as git hashes a file; 64 digits in repositories of SHA-256."""
    head = b"blob %d\0" % len(data)
    if digits == 64:  # noqa: PLR2004 - the length of a SHA-256
        return hashlib.sha256(head + data).hexdigest()
    return hashlib.sha1(head + data, usedforsecurity=False).hexdigest()


class DiskReader:
    """Reads chosen files of one folder, within bounds."""

    def __init__(self, root: Path, *, digits: int = 40) -> None:
        self.entries: dict[str, Entry] = {}
        self.refused: dict[str, str] = {}
        self.held: dict[str, bytes] = {}
        self._root = root
        self._digits = digits
        self._total = 0

    def take(self, path: str) -> None:
        """Read one file, or note why it is left out; a file that is gone is simply not there.

        Raises:
            SourceError: the files are more, or larger, than a tree may hold.
        """
        reason = oddity(path)
        if reason is not None:
            self.refused[escaped(path)] = reason
            return
        with suppress(FileNotFoundError, NotADirectoryError):
            try:
                mode, data = _read_beneath(self._root, path)
            except _LeftOutError as refusal:
                self.refused[escaped(path)] = str(refusal)
                return
            except OSError as error:
                self.refused[escaped(path)] = f"it cannot be read: {error.strerror}"
                return
            self._keep(path, mode, data)

    def _keep(self, path: str, mode: int, data: bytes) -> None:
        self._total += len(data)
        if self._total > MOST_BYTES:
            raise SourceError(
                f"cannot read more than {MOST_BYTES >> 20} MiB of files that git does not hold",
                hint="add what is no declaration to .gitignore",
            )
        blob = blob_id(data, digits=self._digits)
        self.held[path] = data
        self.entries[path] = Entry(path=path, blob=blob, mode=mode, size=len(data))
        if len(self.entries) > MOST_FILES:
            raise too_many(len(self.entries))


class _LeftOutError(Exception):
    """Why a file is not taken."""


def read_folder(root: Path, tops: Iterable[str]) -> WorkTree:
    """Read some files and folders that lie directly in a folder, whether git knows them or not.

    Raises:
        SourceError: they are more, or larger, than a tree may hold.
    """
    disk = DiskReader(root)
    for top in tops:
        for path in walk(root, top) if (root / top).is_dir() else (top,):
            disk.take(path)
    entries = dict(sorted(disk.entries.items()))
    return WorkTree(entries=entries, refused=disk.refused, folder=root, held=disk.held)


def walk(root: Path, below: str = ".") -> Iterator[str]:
    """Name every file below a folder that is no git repository, without following links."""
    for folder, names, files in os.walk(root / below):
        here = Path(folder)
        linked = [name for name in names if (here / name).is_symlink()]
        names[:] = sorted(name for name in names if name not in SKIPPED and name not in linked)
        for name in sorted([*files, *linked]):
            yield (here / name).relative_to(root).as_posix()


def _read_beneath(root: Path, path: str) -> tuple[int, bytes]:
    """Open a path part by part, so that no link on the way is followed."""
    *folders, name = path.split("/")
    handles = [os.open(root, os.O_RDONLY | os.O_DIRECTORY)]
    try:
        for folder in folders:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
            handles.append(os.open(folder, flags, dir_fd=handles[-1]))
        found = os.stat(name, dir_fd=handles[-1], follow_symlinks=False)
        if not stat.S_ISREG(found.st_mode):
            raise _LeftOutError(
                "a symlink" if stat.S_ISLNK(found.st_mode) else "not a regular file"
            )
        if found.st_size > LARGEST:
            raise _LeftOutError(f"it is larger than {LARGEST >> 20} MiB")
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        with os.fdopen(os.open(name, flags, dir_fd=handles[-1]), "rb") as file:
            data = file.read(LARGEST + 1)
    finally:
        for handle in handles:
            os.close(handle)
    return EXECUTABLE if found.st_mode & stat.S_IXUSR else PLAIN, data
