"""Everything in this room that only Linux has: /proc, prctl, pidfds, memory files, mounts of cgroups.

The rest of the room calls it and keeps a shape that another system could fill in; it calls the kernel and nobody else.
"""

# pathlib would cost every supervisor memory and time.
# ruff: noqa: PTH110, PTH116, PTH123, PTH208
from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
from collections.abc import Iterator

PIECE = 32 << 10
BOOT_ID = "/proc/sys/kernel/random/boot_id"
SET_CHILD_SUBREAPER = 36
SETPIPE_SIZE = 1031
ADD_SEALS = 1033
REMOTE = {"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "afs", "autofs", "gfs2", "ocfs2", "lustre"}
ALL_SEALS = 0xF  # no more seals, no shrinking, no growing, no writing


def boot_id() -> str:
    """Name this boot of the machine."""
    return read(BOOT_ID).strip()


def read(path: str) -> str:
    """Read a small file of the kernel as text; bytes that are no UTF-8 stay apart.

    Raises:
        OSError: there is no such file, or it cannot be read.
    """
    opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        said = b""
        while (
            True
        ):  # until nothing comes: these files give less than is asked for long before their end
            part = os.read(opened, PIECE)
            if not part:
                return said.decode("utf-8", "surrogateescape")
            said += part
    finally:
        os.close(opened)


def fields(pid: int) -> list[str] | None:
    """Give the fields of a process's stat from the third (its state) on; None when it is gone.

    Raises:
        OSError: nobody can look now, which does not mean that it is gone.
    """
    try:
        return read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def start_time(pid: int) -> int | None:
    """Say when a process started, in ticks since the boot; None when it is gone or only a zombie."""
    found = fields(pid)
    if not found or found[0] in "ZX":
        return None
    return int(found[19])


def processes() -> Iterator[int]:
    """Give the number of every process of this machine."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            yield int(name)


def parents() -> dict[int, int]:
    """Give the parent of every living process."""
    found: dict[int, int] = {}
    for pid in processes():
        about = fields(pid)
        if about and about[0] not in "ZX":
            found[pid] = int(about[1])
    return found


def bears(pid: int, mark: bytes) -> bool:
    """Say whether a process was started with this entry in its environment; a stranger's was not.

    Raises:
        OSError: nobody can look now.
    """
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return mark in file.read(1 << 20).split(b"\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False


def adopt_orphans() -> None:
    """Become the parent of every descendant that loses its own, so that none is lost from sight.

    Raises:
        OSError: the kernel refused.
    """
    _control(SET_CHILD_SUBREAPER, 1)


def _control(what: int, value: int) -> None:
    import ctypes  # noqa: PLC0415 — only supervisors ask this, and an idle daemon would keep it

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(what, value, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def watch(pid: int) -> int | None:
    """Open a descriptor that becomes readable when a process ends; None where the kernel has none.

    Raises:
        ProcessLookupError: it is gone already.
        OSError: out of descriptors or memory.
    """
    try:
        return os.pidfd_open(pid)
    except AttributeError:
        return None
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EPERM, errno.EINVAL):
            return None
        raise


def tell(pid: int, started: int, number: signal.Signals) -> bool:
    """Send a signal to exactly the process that started then; False when it is gone."""
    try:
        held = watch(pid)
        try:
            if start_time(pid) != started:
                return False
            if held is None:
                os.kill(pid, number)
            else:
                signal.pidfd_send_signal(held, number)
        finally:
            if held is not None:
                os.close(held)
    except ProcessLookupError:
        return False
    return True


def memory_file(name: str, content: bytes) -> int:
    """Keep bytes in a file without a name that nobody can change; its offset is 0.

    Raises:
        OSError: out of memory or descriptors.
    """
    made = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    left = memoryview(content)
    while left:
        left = left[os.write(made, left) :]
    fcntl.fcntl(made, ADD_SEALS, ALL_SEALS)
    os.lseek(made, 0, os.SEEK_SET)
    return made


def widen(pipe: int, size: int) -> None:
    """Ask for a larger pipe; the kernel may say no, and then it stays as it is."""
    try:
        fcntl.fcntl(pipe, SETPIPE_SIZE, size)
    except OSError:
        return  # an unprivileged user has used up its share: slower, not wrong


def reset_oom_score() -> None:
    """Undo the protection from the out-of-memory killer that a daemon may have handed down."""
    path = "/proc/self/oom_score_adj"
    if read(path).strip() != "0":
        put(path, "0")


@contextlib.contextmanager
def unprotected() -> Iterator[None]:
    """Lay the protection from the out-of-memory killer down while a process is born that shall not have it."""
    path = "/proc/self/oom_score_adj"
    was = read(path).strip()
    if was == "0":
        yield
        return
    put(path, "0")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # only the mighty take it up again
            put(path, was)


def may_hang() -> bool:
    """Say whether a file system is mounted that waits for other machines or programs."""
    for line in read("/proc/self/mountinfo").splitlines():
        kind = line.partition(" - ")[2].split()[0]
        if kind in REMOTE or kind.startswith("fuse"):
            return True
    return False


def put(path: str, value: str) -> None:
    """Write a value to a file of the kernel in one go.

    Raises:
        OSError: there is no such file, or the kernel refused the value.
    """
    opened = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(opened, value.encode())
    finally:
        os.close(opened)


def unified_mount() -> str | None:
    """Say where the version 2 tree of cgroups is mounted; None when it is not."""
    for line in read("/proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        if after.startswith("cgroup2 "):
            return before.split()[4].replace("\\040", " ")
    return None


def own_group() -> str:
    """Name the version 2 cgroup this process is in, from the root of the tree; "/" where there is none."""
    for line in read("/proc/self/cgroup").splitlines():
        if line.startswith("0::"):
            return line[3:]
    return "/"


def disk_of(path: str) -> str | None:
    """Name the whole disk a folder lies on as MAJOR:MINOR; None when it lies on no disk."""
    device = os.stat(path).st_dev
    entry = f"/sys/dev/block/{os.major(device)}:{os.minor(device)}"
    try:
        if os.path.exists(f"{entry}/partition"):
            return read(f"{os.path.realpath(entry)}/../dev").strip()
        return read(f"{entry}/dev").strip()
    except OSError:
        return None
