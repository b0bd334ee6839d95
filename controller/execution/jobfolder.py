"""The folders of a job: made by whoever comes first, given to the user of the newest attempt.

`supervisor` calls it for each attempt, `launch` before it lays files into the workspace. It calls only the disk.
"""

# pathlib would cost every supervisor memory and time.
# ruff: noqa: PTH101, PTH102, PTH116
from __future__ import annotations

import contextlib
import os
import stat

PASSED_THROUGH = 0o711


def make_job(job: str, uid: int, gid: int) -> None:
    """Make what is missing of a job's folders: its user passes through ours, and owns theirs.

    Raises:
        OSError: the disk refused.
    """
    with contextlib.suppress(FileExistsError):
        os.mkdir(job)
    if stat.S_IMODE(os.stat(job).st_mode) != PASSED_THROUGH:
        os.chmod(job, PASSED_THROUGH)  # whatever our umask is
    for folder in (f"{job}/workspace", f"{job}/artifacts"):
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        _give(
            os.open(folder, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC), uid, gid
        )


def make_outputs(path: str, uid: int, gid: int) -> None:
    """Make the file in which an attempt leaves its outputs.

    Raises:
        OSError: the disk refused, or it is there already.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    _give(os.open(path, flags, 0o600), uid, gid)


def _give(opened: int, uid: int, gid: int) -> None:
    """Give an open file to a user, where we may, and close it."""
    try:
        if os.geteuid() == 0:
            about = os.fstat(opened)
            if (about.st_uid, about.st_gid) != (uid, gid):
                os.fchown(opened, uid, gid)
    finally:
        os.close(opened)
