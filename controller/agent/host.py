"""How the machine does: processors, memory, disks, load, uptime, and which boot this is.

The daemon calls it for every heartbeat, in a thread, for a disk that hangs would hang it; `main` does when asked. What
cannot be read is named in `missing` and counts as 0: a machine without some file is still a machine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from typing import TypeVar

from controller.agent.procfs import (
    CpuTimes,
    Memory,
    read_loadavg,
    read_meminfo,
    read_stat,
    read_uptime,
)
from controller.wire.messages.greetings import HostState
from controller.wire.record import record

MOST = 1 << 20
"""Bytes of a file of /proc that are read; `stat` has a line for each of up to thousands of processors."""
BOOT_ID = "sys/kernel/random/boot_id"
_Read = TypeVar("_Read")


@record
class Disk:
    """Bytes of the file system a folder lies on."""

    used: int
    total: int


@record
class Look:
    """What was seen at one moment; `state` is what a heartbeat carries, with the fullest of the disks."""

    state: HostState
    boot_id: str = ""
    disks: Mapping[str, Disk] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


class Host:
    """Looks at this machine again and again.

    Args:
        disks: folders whose file systems are measured.
        proc: where the kernel's files are mounted.
    """

    def __init__(self, disks: tuple[str, ...] = ("/",), *, proc: str = "/proc") -> None:
        self._disks = disks
        self._proc = proc
        self._before: CpuTimes | None = None

    def look(self) -> Look:
        """Say how the machine does now, its processors since the last look, at first since the boot."""
        missing: list[str] = []
        times = self._read("stat", read_stat, missing)
        memory = self._read("meminfo", read_meminfo, missing) or Memory(used=0, total=0)
        disks = {path: disk for path in self._disks if (disk := _measure(path, missing))}
        fullest = max(disks.values(), key=_fullness, default=Disk(used=0, total=0))
        state = HostState(
            memory_used=memory.used,
            memory_total=memory.total,
            disk_used=fullest.used,
            disk_total=fullest.total,
            load=self._read("loadavg", read_loadavg, missing) or (),
            uptime=self._read("uptime", read_uptime, missing) or 0.0,
        )
        if times is not None:
            state = replace(state, cpu=times.share_since(self._before), processors=times.processors)
            self._before = times
        boot_id = self._read(BOOT_ID, str.strip, missing) or ""
        return Look(state=state, boot_id=boot_id, disks=disks, missing=tuple(missing))

    def _read(self, name: str, reader: Callable[[str], _Read], missing: list[str]) -> _Read | None:
        path = f"{self._proc}/{name}"
        try:
            with open(path, "rb") as file:  # noqa: PTH123 — pathlib costs start-up time
                return reader(file.read(MOST).decode("ascii", "replace"))
        except OSError as error:
            missing.append(f"{path}: {(error.strerror or 'unreadable').lower()}")
        except ValueError as error:
            missing.append(f"{path}: {error}")
        return None


def _measure(path: str, missing: list[str]) -> Disk | None:
    try:
        about = os.statvfs(path)
    except OSError as error:
        missing.append(f"{path}: {(error.strerror or 'unreadable').lower()}")
        return None
    unit = about.f_frsize
    return Disk(used=(about.f_blocks - about.f_bfree) * unit, total=about.f_blocks * unit)


def _fullness(disk: Disk) -> float:
    return disk.used / disk.total if disk.total else 0.0
