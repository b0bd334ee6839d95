"""What a process may leave behind on a machine: looked at before and after, so that a test can say that nothing was left.

Only what bears a mark of the test is counted, because others work on the same machine.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.fakes import processes
from tests.faults.oracle import demand, some


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What lies around now that belongs to a folder."""

    pids: frozenset[int]
    mounts: frozenset[str]
    files: frozenset[Path]

    @classmethod
    def of(cls, folder: Path, *temporary: Path) -> Self:
        """Look at processes that name a folder, mounts below it, and files in some folders for temporary ones."""
        word = os.fsencode(folder)
        mine = os.getpid()
        named = {
            pid
            for pid in processes.all_pids()
            if pid != mine
            and processes.alive(pid)
            and (word in processes.read(pid, "environ") or word in processes.read(pid, "cmdline"))
        }
        mounts = Path("/proc/self/mounts").read_text().splitlines()
        return cls(
            pids=frozenset(named),
            mounts=frozenset(line.split()[1] for line in mounts if str(folder) in line),
            files=frozenset(path for place in temporary for path in place.glob("*")),
        )


def nothing_left(before: Left, after: Left) -> None:
    """No process, mount or temporary file is there that was not there before."""
    names = [f"{pid} {processes.name_of(pid)}" for pid in after.pids - before.pids]
    demand(not names, "left", f"processes: {some(names)}")
    demand(after.mounts <= before.mounts, "left", f"mounts: {some(after.mounts - before.mounts)}")
    demand(after.files <= before.files, "left", f"files: {some(after.files - before.files)}")


def nothing_grew(before: tuple[int, int], after: tuple[int, int], *, room: int = 8) -> None:
    """A process holds no more descriptors and sockets than before, but for some room."""
    for name, one, other in zip(("descriptors", "sockets"), before, after, strict=True):
        demand(other <= one + room, "left", f"{name}: {one} before, {other} after")


def held(pid: int) -> tuple[int, int]:
    """Count the descriptors of a process, and the sockets among them."""
    folder = Path(f"/proc/{pid}/fd")
    names = []
    for entry in folder.iterdir():
        try:
            names.append(os.readlink(entry))  # noqa: PTH115 - it is no path
        except OSError:
            continue
    return len(names), sum(name.startswith("socket:") for name in names)
