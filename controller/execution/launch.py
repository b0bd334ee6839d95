"""Making ready what an attempt needs: its folders, its files without names, and the plan for its supervisor.

`executor` calls it in a thread; it calls `login`, `groups`, `workspace` and `linux`.
"""

from __future__ import annotations

import os
from pathlib import Path

from controller.execution import linux
from controller.execution.cgroup import Group
from controller.execution.command import TEXT
from controller.execution.folders import Folders
from controller.execution.groups import NONE, Groups
from controller.execution.handover import frame
from controller.execution.login import Login, find_login
from controller.execution.spec import Limits, Spec
from controller.execution.workspace import Workspace


class Launch:
    """Everything of one attempt up to its start; `close` when its supervisor has it.

    Args:
        spec: what is asked for.
        folders: where things lie.
        groups: where cgroups may be made, if anywhere.

    Raises:
        RefusedError: its user or a file of it cannot be had.
        OSError: the disk or the kernel refused.
    """

    def __init__(self, spec: Spec, folders: Folders, groups: Groups | None) -> None:
        self.descriptors: list[int] = []
        self.group: str | None = None
        self.means = {"stop": "descent", "pause": "signals"}
        login = find_login(spec.user)
        _make_job(spec, folders, login)
        workspace = Workspace(folders.workspace(spec.job))
        for path, content in spec.files.items():
            workspace.put(path, content)
        if spec.stream:
            os.mkfifo(folders.attempt(spec.id) / "input", 0o600)
        if groups is not None:
            disk = linux.disk_of(str(folders.jobs)) if spec.limits.io is not None else None
            group, self.means = groups.make(spec.id, spec.limits, disk=disk)
            self.group = group.path
        rlimits = self._instead(spec.limits, login)
        self.plan = frame(_plan(spec, folders, login, self.group, rlimits))
        for name, content in (("text", spec.text), ("stdin", spec.stdin)):
            if content:
                self.descriptors.append(linux.memory_file(f"{spec.id}.{name}", content))

    def close(self) -> None:
        """Close the files that the supervisor has copies of."""
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors.clear()

    def abandon(self) -> None:
        """Take the group back of an attempt that cannot be started."""
        if self.group is not None:
            Group(self.group).remove()

    def _instead(self, limits: Limits, login: Login) -> dict[str, int]:
        """Choose limits of single processes where no group holds them, and say so."""
        rlimits: dict[str, int] = {}
        for name in ("cpu", "memory", "io", "pids"):
            if getattr(limits, name) is None or self.means.setdefault(name, NONE) != NONE:
                continue
            if name == "memory" and limits.memory is not None:
                rlimits["RLIMIT_AS"] = limits.memory
                self.means[name] = "rlimit of each process"
            elif name == "pids" and limits.pids is not None and login.uid != 0:
                rlimits["RLIMIT_NPROC"] = limits.pids  # the kernel does not hold root to it
                self.means[name] = "rlimit of the user"
        return rlimits


def _make_job(spec: Spec, folders: Folders, login: Login) -> None:
    """Make the folders of the job: its user passes through ours, and owns theirs."""
    job = folders.job(spec.job)
    job.mkdir(exist_ok=True)
    job.chmod(0o711)  # whatever our umask is
    for folder in (folders.workspace(spec.job), folders.artifacts(spec.job)):
        folder.mkdir(mode=0o700, exist_ok=True)
        _give(folder, login, os.O_DIRECTORY)
    outputs = folders.outputs(spec.job, spec.id)
    os.close(os.open(outputs, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    _give(outputs, login, 0)


def _give(path: Path, login: Login, flags: int) -> None:
    if os.geteuid() != 0:
        return
    opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | flags)
    try:
        os.fchown(opened, login.uid, login.gid)
    finally:
        os.close(opened)


def _plan(
    spec: Spec, folders: Folders, login: Login, group: str | None, rlimits: dict[str, int]
) -> dict[str, object]:
    more = {
        "CTL_OUTPUT": str(folders.outputs(spec.job, spec.id)),
        "CTL_ARTIFACTS": str(folders.artifacts(spec.job)),
        "CTL_WORKSPACE": str(folders.workspace(spec.job)),
        "CTL_MARK": f":{spec.id}:",
    }
    become = {"uid": login.uid, "gid": login.gid, "groups": login.groups} if login.switch else None
    return {
        "id": spec.id,
        "folder": str(folders.attempt(spec.id)),
        "group": group,
        "argv": _words(spec),
        "env": login.environment({**spec.env, **more}),
        "home": login.home,
        "workdir": spec.workdir,
        "umask": spec.umask,
        "login": become,
        "limits": rlimits,
        "timeout": spec.timeout,
        "grace": spec.grace,
        "head": spec.head,
        "tail": spec.tail,
        "stream": spec.stream,
        "has_text": bool(spec.text),
        "has_stdin": bool(spec.stdin),
    }


def _words(spec: Spec) -> list[str]:
    """Give the argument list: who reads the text, the text's place, and what comes behind it."""
    if not spec.text:
        return [*spec.argv, *spec.arguments]
    place = f"/proc/self/fd/{TEXT}"
    if spec.argv:
        return [*spec.argv, place, *spec.arguments]
    first = spec.text.partition(b"\n")[0]
    words = (
        first[2:].decode("utf-8", "surrogateescape").split(None, 1) if first[:2] == b"#!" else []
    )
    return [*(word.strip() for word in words or ["/bin/sh"]), place, *spec.arguments]
