"""One cgroup, version 2: its members, its freezer, its end, what it was denied.

`processes` calls it in the supervisor and the daemon; it calls the kernel through `linux`.
"""

# pathlib would cost every supervisor memory and time.
# ruff: noqa: PTH102, PTH106, PTH112
from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Mapping

from controller.execution import linux

OPTIONAL = ("memory.swap.max", "memory.oom.group")
"""Missing in kernels without swap accounting, and before 4.19."""


class Group:
    """The group of one attempt's processes; its supervisor is not in it, so neither limits nor kill reach that.

    Args:
        path: its folder in the tree of cgroups.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def make(self, values: Mapping[str, str]) -> None:
        """Make the group, limited by what is written to its files.

        Raises:
            OSError: the kernel refused.
        """
        os.mkdir(self.path)
        try:
            for name, value in values.items():
                self._set(name, value)
        except OSError:
            self.remove()
            raise

    def _set(self, name: str, value: str) -> None:
        try:
            linux.put(f"{self.path}/{name}", value)
        except FileNotFoundError:
            if name not in OPTIONAL:
                raise

    def take(self, pid: int) -> None:
        """Put a process into the group.

        Raises:
            OSError: the kernel refused.
        """
        linux.put(f"{self.path}/cgroup.procs", str(pid))

    def members(self) -> list[int]:
        """Give every living process of the group and of the groups that its processes made below."""
        found: list[int] = []
        for folder, _, _ in os.walk(self.path):
            with contextlib.suppress(OSError):  # it went meanwhile
                found.extend(int(line) for line in linux.read(f"{folder}/cgroup.procs").split())
        return found

    def kill(self) -> None:
        """End every process at once, also those being born; on kernels before 5.14 one after the other."""
        try:
            linux.put(f"{self.path}/cgroup.kill", "1")
        except FileNotFoundError:
            for pid in self.members():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def freeze(self, *, frozen: bool) -> None:
        """Hold every process of the group where it is, or let all go on.

        Raises:
            OSError: the kernel has no freezer.
        """
        linux.put(f"{self.path}/cgroup.freeze", "1" if frozen else "0")

    def out_of_memory(self) -> bool:
        """Say whether the kernel killed a process of the group for want of memory."""
        try:
            events = linux.read(f"{self.path}/memory.events").split()
        except OSError:
            return False  # no memory controller here
        return any(
            name in ("oom_kill", "oom_group_kill") and count != "0"
            for name, count in zip(events[::2], events[1::2])
        )

    def remove(self) -> bool:
        """Remove the group when no process is left in it; say whether it is gone."""
        try:
            os.rmdir(self.path)
        except FileNotFoundError:
            return True
        except OSError:  # its processes made groups below, or live
            for folder, _, _ in os.walk(self.path, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)
        return not os.path.isdir(self.path)
