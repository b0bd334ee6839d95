"""The folder of an authority on disk: private, locked, and each file old or new at every moment.

Used by `shelf` and `handover`. Every name is looked up below one open descriptor, so that nobody can swap the folder in between;
every third-party error leaves here as one of ours.
"""

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from controller.errors import LockedError, NotFoundError, RefusedError, StateError

LOCK: Final = "lock"
PRIVATE: Final = 0o600
PUBLIC: Final = 0o644
LARGEST: Final = 512 << 20
"""Bytes of a file that is read: far above a full ledger."""

_TRIES: Final = 200
_MOMENT: Final = 0.05
"""Seconds between two tries to take the lock; ten seconds in all."""
_NEW: Final = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC


class Folder:
    """An open folder; made by `open_folder`.

    Args:
        path: where it lies.
        descriptor: of the folder.
        owner: user and group to whom what is made here is given; None: it stays ours.
    """

    def __init__(self, path: Path, descriptor: int, owner: tuple[int, int] | None = None) -> None:
        self.path = path
        self._descriptor = descriptor
        self._owner = owner

    def read(self, name: str) -> bytes | None:
        """Read a file; None when there is none.

        Raises:
            StateError: it cannot be read, is a link, or a private one is open to others.
        """
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        with self._telling("read", name):
            try:
                descriptor = os.open(name, flags, dir_fd=self._descriptor)
            except FileNotFoundError:
                return None
            with os.fdopen(descriptor, "rb") as file:
                found = os.fstat(descriptor)
                self._check(name, found)
                return file.read()

    def has(self, name: str) -> bool:
        """Say whether there is something of that name."""
        with self._telling("look at", name):
            try:
                os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
            except FileNotFoundError:
                return False
            return True

    def names(self) -> list[str]:
        """Give the names of what is there, sorted."""
        with self._telling("list", "."):
            return sorted(os.listdir(self._descriptor))  # noqa: PTH208  # of the open descriptor

    def create(
        self, name: str, data: bytes, *, mode: int, owner: tuple[int, int] | None = None
    ) -> None:
        """Make a file that was not there, durable.

        Args:
            name: its name.
            data: what is in it.
            mode: its rights, whatever the umask.
            owner: user and group it is given to; None: whoever has the folder.

        Raises:
            RefusedError: something of that name is there.
            StateError: the disk says no.
        """
        with self._telling("write", name):
            try:
                descriptor = os.open(name, _NEW, PRIVATE, dir_fd=self._descriptor)
            except FileExistsError as error:
                raise RefusedError(
                    f"cannot write {self.path / name}: it is there already"
                ) from error
            try:
                _fill(descriptor, data, mode, owner or self._owner)
            except OSError:
                os.unlink(name, dir_fd=self._descriptor)  # half a file is none
                raise
            finally:
                os.close(descriptor)
            os.fsync(self._descriptor)

    def write(self, name: str, data: bytes, *, mode: int) -> None:
        """Replace a file in one step, durable; nothing is done when it holds just that."""
        if self.read(name) == data:
            return
        new = f".{name}.new"
        self.remove(new)
        self.create(new, data, mode=mode)
        self.move(new, name)

    def append(self, name: str, data: bytes) -> None:
        """Add lines to a file, durable; a torn end that a crash has left goes first.

        Raises:
            StateError: the disk says no; what was half written is taken back.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with self._telling("write", name):
            descriptor = os.open(name, flags, PRIVATE, dir_fd=self._descriptor)
            with os.fdopen(descriptor, "r+b", buffering=0) as file:
                self._give(descriptor)
                end = _whole(file.read())
                try:
                    file.truncate(end)
                    file.seek(end)
                    _write(descriptor, data)
                    os.fsync(descriptor)
                except OSError:
                    with contextlib.suppress(OSError):
                        file.truncate(end)
                    raise
            os.fsync(self._descriptor)

    def move(self, old: str, new: str) -> None:
        """Rename a file over another, durable."""
        with self._telling("write", new):
            os.replace(old, new, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
            os.fsync(self._descriptor)

    def keep(self, old: str, new: str) -> None:
        """Give a file a second name, unless that is taken."""
        with self._telling("write", new), contextlib.suppress(FileExistsError):
            os.link(old, new, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
            os.fsync(self._descriptor)

    def remove(self, name: str) -> None:
        """Remove a file that may be there."""
        with self._telling("remove", name), contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._descriptor)
            os.fsync(self._descriptor)

    def give(self, user: int, group: int) -> None:
        """Give the folder itself to somebody."""
        with self._telling("give away", "."):
            os.fchown(self._descriptor, user, group)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one command; the system frees it when its holder dies.

        Raises:
            LockedError: somebody else held it for ten seconds.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with self._telling("lock", LOCK):
            descriptor = os.open(LOCK, flags, PRIVATE, dir_fd=self._descriptor)
        try:
            with self._telling("lock", LOCK):
                self._give(descriptor)
            self._wait(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _give(self, descriptor: int) -> None:
        """Give an open file to whoever has the folder."""
        if self._owner is not None:
            os.fchown(descriptor, *self._owner)

    def _wait(self, descriptor: int) -> None:
        for _ in range(_TRIES):
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            time.sleep(_MOMENT)
        raise LockedError(
            f"cannot write in {self.path}: another command holds it", hint="wait until it has ended"
        )

    def _check(self, name: str, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
            raise StateError(f"cannot read {self.path / name}: no plain file of a sane size")
        if name.endswith(".key") and stat.S_IMODE(found.st_mode) & 0o077:
            raise StateError(
                f"cannot use the private key {self.path / name}: others may read it",
                hint=f"chmod 600 {self.path / name}, and ask who has read it",
            )

    @contextmanager
    def _telling(self, verb: str, name: str) -> Iterator[None]:
        """Turn an error of the system into one of ours."""
        try:
            yield
        except OSError as error:
            raise StateError(
                f"cannot {verb} {self.path / name}: {error.strerror or error}"
            ) from error


@contextmanager
def open_folder(
    path: Path, *, make: bool = False, owner: int | None = None, shared: bool = False
) -> Iterator[Folder]:
    """Open a folder, or make it.

    Args:
        path: where it lies.
        make: make it with 0700, and what is missing above it.
        owner: a user, beside root and us, to whom it may belong.
        shared: root may work in it whoever has it, as beside a controller that runs as a user of its own; what it makes there is theirs.

    Raises:
        NotFoundError: it is not there.
        RefusedError: others may write in it, or in a folder above it.
        StateError: the system says no.
    """
    try:
        if make:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not stat.S_ISDIR(path.lstat().st_mode):
            raise RefusedError(
                f"cannot use {path}: it is not a folder", hint="links are not followed"
            )
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise NotFoundError(
            f"cannot find {path}", hint="ctl pki init, or name it with --dir"
        ) from error
    except OSError as error:
        raise StateError(
            f"cannot open {path}: {error.strerror or error}",
            hint="run it as root, or name another folder",
        ) from error
    try:
        found = os.fstat(descriptor)
        theirs = shared and os.geteuid() == 0 != found.st_uid
        _refuse_shared(path, found, found.st_uid if theirs else owner)
        yield Folder(path, descriptor, (found.st_uid, found.st_gid) if theirs else None)
    finally:
        os.close(descriptor)


def _refuse_shared(path: Path, found: os.stat_result, owner: int | None) -> None:
    """Refuse a folder that somebody else could change, itself or through one above it."""
    if found.st_uid not in {os.geteuid(), 0, owner}:
        raise RefusedError(f"cannot use {path}: it belongs to another user (uid {found.st_uid})")
    if stat.S_IMODE(found.st_mode) & 0o022:
        raise RefusedError(f"cannot use {path}: others may write in it", hint=f"chmod 700 {path}")
    for above in path.resolve().parents:
        mode = above.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise RefusedError(f"cannot use {path}: everybody may write in {above}")


def _whole(data: bytes) -> int:
    """Say how much of a file are whole lines."""
    return data.rfind(b"\n") + 1


def _fill(descriptor: int, data: bytes, mode: int, owner: tuple[int, int] | None) -> None:
    """Put bytes into a new file, durable; it gets its owner before its bytes."""
    os.fchmod(descriptor, mode)
    if owner is not None:
        os.fchown(descriptor, *owner)
    _write(descriptor, data)
    os.fsync(descriptor)


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
