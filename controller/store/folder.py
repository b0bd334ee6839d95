"""The state folder: made private, kept out of git, refused where SQLite and locks cannot be trusted.

Called by `sqlite`, by the faces before they write logs, by `lock`, and by whoever makes files durable. Touches the disk and nothing else.
"""

import contextlib
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from controller.errors import StateError, UsageError

NETWORK: Final = frozenset({
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "glusterfs", "lustre", "gpfs",
    "beegfs", "davfs", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.rclone",
    "fuse.davfs2", "fuse.curlftpfs",
})  # fmt: skip
"""Kinds of file system as /proc/self/mountinfo names them, on which locks and the shared memory of WAL may lie."""

_ESCAPED: Final = re.compile(r"\\([0-7]{3})")


STATE_FOLDER: Final = ".ctl"
"""The state of a config repository, inside of it, where nothing else is said."""
DATABASE_FILE: Final = "state.db"
"""The database, in the state folder."""
CACHE_FILE: Final = "cache.db"
"""Parsed declarations, in the state folder."""


SHARED: Final = ("postgresql://", "postgres://")
"""How the URL of a state begins that processes share."""
SHARED_FILES: Final = Path(".local/state/ctl")
"""Where files of such a state lie below a home: logs, output, mirrors."""


def is_shared(state: str | None) -> bool:
    """Say whether `--state` names a database that processes share."""
    return state is not None and state.startswith(SHARED)


def shared_folder(variables: Mapping[str, str], home: Path) -> Path:
    """Say where this machine keeps the files of a shared state: where systemd says (systemd.exec(5)), else below the home."""
    return service_folder(variables) or home / SHARED_FILES


def service_folder(variables: Mapping[str, str]) -> Path | None:
    """Say where systemd keeps the state of this service; None where it did not start us.

    With `DynamicUser=` it hands over a link of its own to a folder among the private ones, so this one link is followed.
    """
    given = variables.get("STATE_DIRECTORY", "").split(":")[0]
    return Path(given).resolve() if given else None


def folder_of(state: str) -> Path:
    """Read what `--state` names, where it is a folder.

    Raises:
        UsageError: it is a URL of something that no state is kept in.
    """
    if "://" in state:
        scheme = state.partition("://")[0]
        raise UsageError(
            f"cannot keep the state in {scheme}", hint="--state DIR, or postgresql://HOST/DATABASE"
        )
    return Path(state).expanduser()


def prepare(folder: Path) -> Path:
    """Make the state folder, or check the one that is there, and give its real path.

    Raises:
        StateError: it cannot be made, is a link, belongs to somebody else, or lies on a network file system.
    """
    try:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700, parents=True)
        found = folder.lstat()
        _refuse_foreign(folder, found)
        if stat.S_IMODE(found.st_mode) & 0o077:
            folder.chmod(0o700)
        real = folder.resolve(strict=True)
        _refuse_network(real)
        create_private(real / ".gitignore", b"*\n")
    except OSError as error:
        raise StateError(
            f"cannot use the state folder {folder}: {error.strerror or error}",
            hint="name another one with --state",
        ) from error
    return real


def create_private(path: Path, data: bytes = b"") -> bool:
    """Make a file that only its owner may read; false when it exists, which is left as it is.

    Raises:
        OSError: it cannot be made.
    """
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)
    return True


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable.

    Raises:
        OSError: the disk reports an error.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_system_of(path: Path, mountinfo: str) -> str:
    """Find the kind of file system a real path lies on (`proc(5)`, mountinfo); "" when it cannot be told."""
    best, kind = "", ""
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split(" ")
        if len(fields) < 5 or not right:  # noqa: PLR2004  # the mount point is the fifth field
            continue
        point = _ESCAPED.sub(lambda found: chr(int(found[1], 8)), fields[4])
        if path.is_relative_to(point) and len(point) >= len(best):
            best, kind = point, right.split(" ", 1)[0]
    return kind


def _refuse_foreign(folder: Path, found: os.stat_result) -> None:
    if not stat.S_ISDIR(found.st_mode):
        raise StateError(
            f"cannot use {folder} as the state folder: it is not a folder",
            hint="links are not followed; name the real folder with --state",
        )
    if found.st_uid not in {os.geteuid(), 0}:
        raise StateError(
            f"cannot use {folder} as the state folder: it belongs to another user (uid {found.st_uid})",
            hint="name another one with --state",
        )


def _refuse_network(folder: Path) -> None:
    try:
        mountinfo = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
    except OSError:
        return  # without /proc the kind cannot be told; locks still show most troubles
    kind = file_system_of(folder, mountinfo)
    if kind in NETWORK:
        raise StateError(
            f"cannot keep the state in {folder}: it lies on a network file system ({kind})",
            hint="name a folder on a local disk with --state",
        )
