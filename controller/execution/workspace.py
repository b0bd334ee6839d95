"""The workspace of a job: a folder that a stranger fills, and that no path leads out of.

Every path is walked one component at a time from an open folder, following no link, so whoever swaps a folder for a link
meanwhile gains nothing. `executor` and the agent call it; it calls only the disk.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from controller.execution.errors import FullError, OutsideError

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
MAX_DEPTH = 32
MAX_ENTRIES = 10_000
MAX_FILE = 1 << 30


class Workspace:
    """A folder and what may be done below it.

    Args:
        folder: it exists; only its owner and root may replace it.
        most: bytes that one file may have.
    """

    def __init__(self, folder: Path, *, most: int = MAX_FILE) -> None:
        self.folder = folder
        self._most = most

    def names(self, path: str = "") -> dict[str, int]:
        """List the plain files below a path with their sizes, at most 10,000; links are left out.

        Raises:
            OutsideError: the path is no folder of the workspace.
        """
        found: dict[str, int] = {}
        with self._inside(_parts(path)) as folder:
            self._walk(folder, path.strip("/") + "/" if path.strip("/") else "", found, MAX_DEPTH)
        return found

    def get(self, path: str, *, offset: int = 0, limit: int = 1 << 20) -> bytes:
        """Read a piece of a plain file; empty at its end.

        Raises:
            OutsideError: there is no such plain file here.
        """
        opened = self.open(path)
        try:
            return os.pread(opened, limit, offset)
        finally:
            os.close(opened)

    def open(self, path: str) -> int:
        """Open a plain file for reading; the caller closes the descriptor.

        Raises:
            OutsideError: there is no such plain file here.
        """
        *parents, name = _parts(path) or [""]
        with self._inside(parents) as folder:
            return self._open(name, folder, os.O_RDONLY | os.O_NONBLOCK)  # a pipe must not hang us

    def check(self, path: str) -> None:
        """Refuse a path at which no file can be written.

        Raises:
            OutsideError: it leads through a link or out, is empty, or something else than a plain file has it.
        """
        *parents, name = _parts(path) or [""]
        if not name:
            raise OutsideError("cannot write a file without a name")
        try:
            with self._inside(parents, make=True) as folder:
                taken = _taken(name, folder)
        except OSError as error:
            raise FullError(f"cannot write {path!r}: {error.strerror}") from error
        if taken:
            raise OutsideError(f"cannot write {path!r}: something else has that name")

    def rename(self, path: str, name: str) -> None:
        """Give a plain file another path in the same folder, in place of what has it.

        Raises:
            OutsideError: a path leads through a link or out, or something else than a plain file has the name.
            FullError: the disk refused.
        """
        *parents, old = _parts(path) or [""]
        *_, new = _parts(name) or [""]
        with self._inside(parents, make=False) as folder:
            os.close(self._open(old, folder, os.O_RDONLY | os.O_NONBLOCK, 0))
            if _taken(new, folder):
                raise OutsideError(f"cannot write {name!r}: something else has that name")
            try:
                os.rename(old, new, src_dir_fd=folder, dst_dir_fd=folder)
            except OSError as error:
                raise FullError(f"cannot write {name!r}: {error.strerror}") from error

    def put(self, path: str, data: bytes, *, offset: int = 0, mode: int = 0o600) -> int:
        """Write bytes into a file from an offset on, folders made as needed; at offset 0 it begins anew.

        Returns:
            the size of the file now.

        Raises:
            OutsideError: the path leads through a link or out, or names something that is no plain file.
            FullError: the file would be too large, or the disk is full.
        """
        if offset < 0 or offset + len(data) > self._most:
            raise FullError(f"cannot write {path!r}: a file has at most {self._most} bytes")
        *parents, name = _parts(path) or [""]
        with self._inside(parents, make=True) as folder:
            opened = self._open(name, folder, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK, mode)
            try:
                if offset == 0:
                    os.ftruncate(
                        opened, 0
                    )  # not by O_TRUNC: only now it is known to be no second name
                left = memoryview(data)
                while left:
                    done = os.pwrite(opened, left, offset)
                    left, offset = left[done:], offset + done
                self._give(opened, folder)
                return os.fstat(opened).st_size
            except OSError as error:
                raise FullError(f"cannot write {path!r}: {error.strerror}") from error
            finally:
                os.close(opened)

    def remove(self, path: str) -> bool:
        """Delete a file, or a folder with everything below it; say whether there was one.

        Raises:
            OutsideError: the path leads through a link or out.
        """
        *parents, name = _parts(path) or [""]
        if not name:
            raise OutsideError("cannot delete the workspace itself")
        with self._inside(parents) as folder:
            try:
                about = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if stat.S_ISDIR(about.st_mode):
                    _remove(name, folder)
                else:
                    os.unlink(name, dir_fd=folder)
            except FileNotFoundError:
                return False
        return True

    @contextmanager
    def _inside(self, parts: list[str], *, make: bool = False) -> Iterator[int]:
        """Open a folder below, one step at a time."""
        here = os.open(self.folder, FOLDER)
        try:
            for part in parts:
                here = self._step(here, part, make=make)
            yield here
        finally:
            os.close(here)

    def _step(self, here: int, part: str, *, make: bool) -> int:
        try:
            if make:
                try:
                    os.mkdir(part, 0o700, dir_fd=here)
                except FileExistsError:
                    there = os.open(part, FOLDER, dir_fd=here)
                else:
                    there = os.open(part, FOLDER, dir_fd=here)
                    self._give(there, here)
            else:
                there = os.open(part, FOLDER, dir_fd=here)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise FullError(f"cannot make {part!r}: {error.strerror}") from error
            raise OutsideError(f"cannot enter {part!r}: no folder of the workspace") from error
        os.close(here)
        return there

    def _open(self, name: str, folder: int, flags: int, mode: int = 0o600) -> int:
        try:
            opened = os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=folder)
        except OSError as error:
            raise OutsideError(f"cannot open {name!r}: {error.strerror}") from error
        about = os.fstat(opened)
        if not stat.S_ISREG(about.st_mode) or about.st_nlink > 1:
            os.close(opened)  # a second name may be one outside
            raise OutsideError(f"cannot open {name!r}: no plain file with one name")
        return opened

    def _give(self, opened: int, folder: int) -> None:
        """Have a new entry belong to whom the folder belongs to."""
        if os.geteuid() == 0:
            owner = os.fstat(folder)
            os.fchown(opened, owner.st_uid, owner.st_gid)

    def _walk(self, folder: int, prefix: str, found: dict[str, int], depth: int) -> None:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda one: one.name):
                if len(found) >= MAX_ENTRIES:
                    return
                if entry.is_file(follow_symlinks=False):
                    found[prefix + entry.name] = entry.stat(follow_symlinks=False).st_size
                elif depth and entry.is_dir(follow_symlinks=False):
                    try:
                        below = os.open(entry.name, FOLDER, dir_fd=folder)
                    except OSError:
                        continue  # it became a link meanwhile
                    try:
                        self._walk(below, f"{prefix}{entry.name}/", found, depth - 1)
                    finally:
                        os.close(below)


def _parts(path: str) -> list[str]:
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts or "\0" in path or len(parts) > MAX_DEPTH:
        raise OutsideError(f"cannot use the path {path[:200]!r}: it leads out of the workspace")
    return parts


def _remove(name: str, folder: int) -> None:
    opened = os.open(name, FOLDER, dir_fd=folder)
    try:
        with os.scandir(opened) as entries:
            names = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for below, deeper in names:
            if deeper:
                _remove(below, opened)
            else:
                os.unlink(below, dir_fd=opened)
    finally:
        os.close(opened)
    os.rmdir(name, dir_fd=folder)


def _taken(name: str, folder: int) -> bool:
    """Say whether something else than a plain file with one name lies there."""
    try:
        about = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return not stat.S_ISREG(about.st_mode) or about.st_nlink > 1
