"""Writing down what a supervisor needs to know of an attempt: its plan.

`starter` calls it; it calls `holding`, `login` and, where files are sent along, `workspace`.
"""

from __future__ import annotations

from controller.execution.command import TEXT
from controller.execution.folders import Folders
from controller.execution.groups import Groups
from controller.execution.handover import hand_over
from controller.execution.holding import Holding
from controller.execution.jobfolder import make_job
from controller.execution.login import Login
from controller.execution.spec import Spec
from controller.execution.workspace import Workspace


class Launch:
    """One attempt, ready to be handed over.

    Args:
        spec: what is asked for.
        folders: where things lie.
        groups: where cgroups may be made, if anywhere.
        login: who it runs as.
        holding: what holds its limits.
    """

    def __init__(
        self, spec: Spec, folders: Folders, groups: Groups | None, login: Login, holding: Holding
    ) -> None:
        self.means = dict(holding.means)
        self.group = None if groups is None else groups.path(spec.id)
        plan: dict[str, object] = {
            "id": spec.id,
            "folder": str(folders.attempt(spec.id)),
            "job": str(folders.job(spec.job)),
            "outputs": str(folders.outputs(spec.job, spec.id)),
            "owner": [login.uid, login.gid],
            "group": self.group,
            "supervisors": None if groups is None else groups.supervisors,
            "group_limits": dict(holding.files),
            "argv": _words(spec),
            "env": _environment(spec, folders, login),
            "home": login.home,
            "workdir": spec.workdir,
            "umask": spec.umask,
            "login": _become(login),
            "limits": dict(holding.rlimits),
            "timeout": spec.timeout,
            "grace": spec.grace,
            "head": spec.head,
            "tail": spec.tail,
            "stream": spec.stream,
            "stdin_path": spec.stdin_path,
        }
        self.handed = hand_over(plan, text=spec.text, stdin=spec.stdin)


def lay_files(spec: Spec, folders: Folders, login: Login) -> None:
    """Lay the files of an attempt into the workspace of its job.

    Raises:
        RefusedError: a path leads out of it.
        OSError: the disk refused.
    """
    make_job(str(folders.job(spec.job)), login.uid, login.gid)
    workspace = Workspace(folders.workspace(spec.job))
    for path, content in spec.files.items():
        workspace.put(path, content)


def _become(login: Login) -> dict[str, object] | None:
    if not login.switch:
        return None
    return {"uid": login.uid, "gid": login.gid, "groups": login.groups}


def _environment(spec: Spec, folders: Folders, login: Login) -> dict[str, str]:
    return login.environment(
        {
            **spec.env,
            "CTL_OUTPUT": str(folders.outputs(spec.job, spec.id)),
            "CTL_ARTIFACTS": str(folders.artifacts(spec.job)),
            "CTL_WORKSPACE": str(folders.workspace(spec.job)),
            "CTL_MARK": f":{spec.id}:",
        }
    )


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
