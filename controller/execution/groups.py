"""Where this agent may make cgroups, and what the kernel lets it limit there.

    BASE/                 the delegated folder: of the agent's unit (`Delegate=yes`), or one we make at the root
      agent/              the daemon, where BASE was its own group: a group with members can have no limited children
      supervisors/        the nursery and every supervisor
      attempt-ID/         the processes of one attempt, with its limits

Where there is no version 2 tree, or no right to it, there are no groups: `processes` then follows descent, memory is
limited a process at a time, and `Status.means` says so. `executor` calls it; it calls `linux`.
"""

# pathlib would cost every supervisor memory and time.
# ruff: noqa: PTH102, PTH103, PTH119, PTH120, PTH208
from __future__ import annotations

import contextlib
import os

from controller.execution import linux
from controller.execution.cgroup import Group
from controller.execution.spec import Limits

PERIOD = 100_000  # microseconds: the kernel's own default
CONTROLLERS = ("cpu", "memory", "io", "pids")
NONE = "none"
CGROUP = "cgroup"


class Groups:
    """The folder in which groups of attempts are made.

    Args:
        base: that folder; it exists, and we may write to it.
    """

    def __init__(self, base: str) -> None:
        self.base = base
        self.supervisors = f"{base}/supervisors"
        os.makedirs(self.supervisors, exist_ok=True)
        for name in CONTROLLERS:
            with contextlib.suppress(
                OSError
            ):  # not there, or not for us: `controllers` says what is
                linux.put(f"{base}/cgroup.subtree_control", f"+{name}")
        self.controllers = frozenset(linux.read(f"{base}/cgroup.subtree_control").split())

    def path(self, attempt: str) -> str:
        """Say where the group of an attempt lies."""
        return f"{self.base}/attempt-{attempt}"

    def make(
        self, attempt: str, limits: Limits, *, disk: str | None
    ) -> tuple[Group, dict[str, str]]:
        """Make the group of an attempt, limited as far as the kernel can.

        Args:
            attempt: its id.
            limits: what it may use.
            disk: what `limits.io` is about, as MAJOR:MINOR.

        Returns:
            the group; for each limit asked for, what holds it.

        Raises:
            OSError: no group can be made.
        """
        group = Group(self.path(attempt))
        os.mkdir(group.path)
        try:
            return group, self._limit(group, limits, disk)
        except OSError:
            group.remove()
            raise

    def _limit(self, group: Group, limits: Limits, disk: str | None) -> dict[str, str]:
        means = {"stop": CGROUP, "pause": CGROUP}
        for controller, values in _values(limits, disk).items():
            means[controller] = NONE
            if controller in self.controllers:
                for name, value in values.items():
                    _set(f"{group.path}/{name}", value)
                means[controller] = CGROUP
        return means

    def sweep(self, keep: frozenset[str]) -> None:
        """Remove the empty groups of attempts that are over."""
        for name in os.listdir(self.base):
            if name.startswith("attempt-") and name[len("attempt-") :] not in keep:
                Group(f"{self.base}/{name}").remove()


def _values(limits: Limits, disk: str | None) -> dict[str, dict[str, str]]:
    """Say which file of which controller gets which value; one that has no value here is left out."""
    asked: dict[str, dict[str, str]] = {}
    if limits.cpu is not None:
        asked["cpu"] = {"cpu.max": f"{max(1000, round(limits.cpu * PERIOD))} {PERIOD}"}
    if limits.memory is not None:
        # No swap beside it, and all of the attempt goes at once: half a job is worse than none.
        asked["memory"] = {
            "memory.max": str(limits.memory),
            "memory.swap.max": "0",
            "memory.oom.group": "1",
        }
    if limits.pids is not None:
        asked["pids"] = {"pids.max": str(limits.pids)}
    if limits.io is not None and disk is not None:
        asked["io"] = {"io.max": f"{disk} rbps={limits.io} wbps={limits.io}"}
    return asked


def _set(path: str, value: str) -> None:
    try:
        linux.put(path, value)
    except FileNotFoundError:
        if not path.endswith(
            ("swap.max", "oom.group")
        ):  # kernels without swap accounting, before 4.19
            raise


def find_groups(name: str = "ctl-agent") -> Groups | None:
    """Find the folder in which this process may make groups, and move into a leaf of it; None where there is none.

    Args:
        name: of the folder where nobody delegates one, so we make it at the root.
    """
    mount = linux.unified_mount()
    if mount is None:
        return None
    own = linux.own_group()
    try:
        if own == "/":
            base = f"{mount}/{name}"
            os.makedirs(base, exist_ok=True)
            return Groups(base)
        base = mount + (os.path.dirname(own) if os.path.basename(own) == "agent" else own)
        _step_aside(base)
        return Groups(base)
    except OSError:
        return None


def _step_aside(base: str) -> None:
    """Move every process of the folder itself to `agent/` below: the kernel wants the branches empty."""
    leaf = Group(f"{base}/agent")
    os.makedirs(leaf.path, exist_ok=True)
    for line in linux.read(f"{base}/cgroup.procs").split():
        with contextlib.suppress(ProcessLookupError):
            leaf.take(int(line))
