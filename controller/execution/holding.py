"""What holds the limits of an attempt on this machine: files of its cgroup, limits of single processes, or nothing.

Nothing is no answer: then the attempt is refused. `executor` asks before it accepts, `launch` before it starts. Pure but for
the look at the disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from controller.execution import linux
from controller.execution.errors import NoLimitsError
from controller.execution.groups import Groups
from controller.execution.login import Login
from controller.execution.spec import Limits

PERIOD = 100_000  # microseconds: the kernel's own default
CGROUP = "cgroup"


@dataclass(frozen=True)
class Holding:
    """What holds the limits of one attempt.

    Attributes:
        files: of its cgroup, with what is written to them.
        rlimits: of each of its processes, by the names of the module `resource`.
        means: a word for each limit, and for `stop` and `pause`.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    rlimits: Mapping[str, int] = field(default_factory=dict)
    means: Mapping[str, str] = field(default_factory=dict)


def hold(limits: Limits, groups: Groups | None, *, login: Login, jobs: Path) -> Holding:
    """Choose what holds limits.

    Args:
        limits: what is asked for.
        groups: where cgroups may be made, if anywhere.
        login: whose processes they will be.
        jobs: the folder whose disk `limits.io` is about.

    Raises:
        NoLimitsError: nothing can hold one of them.
    """
    means = {"stop": "descent", "pause": "signals"}
    controllers: frozenset[str] = frozenset()
    if groups is not None:
        means = {"stop": CGROUP, "pause": CGROUP}
        controllers = groups.controllers
    files: dict[str, str] = {}
    rlimits: dict[str, int] = {}
    for name, wanted in wanted_files(limits, jobs=jobs).items():
        if name in controllers:
            files.update(wanted)
            means[name] = CGROUP
        elif name == "memory" and limits.memory is not None:
            rlimits["RLIMIT_AS"] = limits.memory
            means[name] = "rlimit of each process"
        elif name == "pids" and limits.pids is not None and login.uid != 0:
            rlimits["RLIMIT_NPROC"] = limits.pids  # the kernel does not hold root to it
            means[name] = "rlimit of the user"
        else:
            raise NoLimitsError(
                f"cannot limit {name}: this machine has no cgroup controller {name} for the agent",
                hint="run the agent as a service of systemd with Delegate=yes, or leave the limit out",
            )
    return Holding(files, rlimits, means)


def wanted_files(limits: Limits, *, jobs: Path) -> dict[str, dict[str, str]]:
    """Say which file of which controller gets which value.

    Raises:
        NoLimitsError: the jobs lie on no disk that could be limited.
    """
    wanted: dict[str, dict[str, str]] = {}
    if limits.cpu is not None:
        wanted["cpu"] = {"cpu.max": f"{max(1000, round(limits.cpu * PERIOD))} {PERIOD}"}
    if limits.memory is not None:
        # No swap beside it, and all of the attempt goes at once: half a job is worse than none.
        wanted["memory"] = {
            "memory.max": str(limits.memory),
            "memory.swap.max": "0",
            "memory.oom.group": "1",
        }
    if limits.pids is not None:
        wanted["pids"] = {"pids.max": str(limits.pids)}
    if limits.io is not None:
        disk = linux.disk_of(str(jobs))
        if disk is None:
            raise NoLimitsError(f"cannot limit io: {jobs} lies on no disk of its own")
        wanted["io"] = {"io.max": f"{disk} rbps={limits.io} wbps={limits.io}"}
    return wanted
