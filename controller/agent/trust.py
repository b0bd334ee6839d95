"""Folders and files that nobody but root and the agent's own user can change.

What lies there decides what root does, so every folder on the way is looked at, from `/` down, one open folder after the
other: whoever swaps one for a link meanwhile gains nothing. `scripts` and `settings` call it; it calls the kernel.
"""

from __future__ import annotations

import os
import stat

from controller.agent.errors import FolderError

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""Without NONBLOCK a pipe of that name would hang us."""
WRITABLE = 0o022


def open_folder(path: str) -> int:
    """Open a folder; the caller closes the descriptor.

    Args:
        path: absolute, without links and `..`.

    Raises:
        FolderError: it is not there, or others could change what lies in it.
    """
    parts = path.split("/")[1:]
    if not path.startswith("/") or ".." in parts or "\0" in path:
        raise FolderError(f"cannot use the folder {path!r}", hint="give an absolute path")
    here = os.open("/", FOLDER)
    seen = ""
    try:
        for part in filter(None, parts):
            _check(seen or "/", os.fstat(here), passing=True)
            there = _step(here, part, seen)
            os.close(here)
            here, seen = there, f"{seen}/{part}"
        _check(path, os.fstat(here), passing=False)
    except BaseException:
        os.close(here)
        raise
    return here


def read_file(path: str, *, most: int) -> bytes:
    """Read a file in a trusted folder, which nobody else may write to either.

    Raises:
        FolderError: it cannot be trusted, or has more than `most` bytes.
        FileNotFoundError: it, or its folder, is not there.
    """
    parent, _, name = path.rpartition("/")
    if not os.path.lexists(path):
        raise FileNotFoundError(path)
    folder = open_folder(parent or "/")
    try:
        opened = os.open(name, FILE, dir_fd=folder)
    except OSError as error:
        raise FolderError(f"cannot read {path}: {_why(error)}") from error
    finally:
        os.close(folder)
    try:
        about = os.fstat(opened)
        problem = "is no regular file" if not stat.S_ISREG(about.st_mode) else distrust(about)
        if problem:
            raise FolderError(f"cannot trust {path}: it {problem}")
        return _whole(opened, path, most)
    finally:
        os.close(opened)


def distrust(about: os.stat_result) -> str | None:
    """Say why what was looked at may be changed by others; None when only root and we may."""
    if about.st_uid not in (0, os.geteuid()):
        return f"belongs to user {about.st_uid}, not to root or the agent's own"
    if about.st_mode & WRITABLE:
        return f"can be written to by others (mode {stat.S_IMODE(about.st_mode):04o})"
    return None


def _step(here: int, part: str, seen: str) -> int:
    try:
        return os.open(part, FOLDER, dir_fd=here)
    except OSError as error:
        place = f"{seen}/{part}"
        real = os.path.realpath(place)
        hint = f"give the path it leads to: {real}" if real != place else None
        raise FolderError(f"cannot open {place}: {_why(error)}", hint=hint) from error


def _check(path: str, about: os.stat_result, *, passing: bool) -> None:
    problem = distrust(about)
    if problem is None:
        return
    if passing and about.st_uid == 0 and about.st_mode & stat.S_ISVTX:
        return  # as /tmp: others may add names, but not replace ours
    raise FolderError(
        f"cannot trust {path}: it {problem}", hint=f"chown root {path}; chmod go-w {path}"
    )


def _whole(opened: int, path: str, most: int) -> bytes:
    with open(opened, "rb", closefd=False) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise FolderError(f"cannot read {path}: it has more than {most} bytes")
    return content


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
