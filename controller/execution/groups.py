"""Where this agent may make cgroups, and what the kernel lets it limit there.

    BASE/                 the delegated folder: of the agent's unit (`Delegate=yes`), or one we make at the root
      agent/              the daemon, where BASE was its own group: a group with members can have no limited children
      supervisors/        the nursery and every supervisor
      attempt-ID/         the processes of one attempt, with its limits

Where there is no version 2 tree, or no right to it, there are no groups: `processes` then follows descent, and `holding`
says what becomes of limits. Supervisors make the groups of attempts. `executor` calls it; it calls `linux`.
"""

# pathlib would cost every supervisor memory and time.
# ruff: noqa: PTH103, PTH119, PTH120, PTH208
from __future__ import annotations

import contextlib
import os

from controller.execution import linux
from controller.execution.cgroup import Group

CONTROLLERS = ("cpu", "memory", "io", "pids")


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

    def sweep(self, keep: frozenset[str]) -> None:
        """Remove the empty groups of attempts that are over."""
        for name in os.listdir(self.base):
            if name.startswith("attempt-") and name[len("attempt-") :] not in keep:
                Group(f"{self.base}/{name}").remove()


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
