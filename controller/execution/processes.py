"""Every process of an attempt: found, told, held and ended, by its cgroup or by its descent.

`supervisor` calls it while it lives; `executor` when a supervisor is gone. It calls `cgroup` and `linux`.
"""

from __future__ import annotations

import contextlib
import os
import signal

from controller.execution import linux
from controller.execution.cgroup import Group

MARK = "CTL_MARK"


class Processes:
    """The processes of one attempt.

    Without a group they are the descendants of the supervisor, which loses none since it adopts orphans; once it is
    gone, the session of the command and whoever bears the mark of the attempt.

    Args:
        attempt: its id.
        group: its cgroup, where there is one.
        ancestor: the supervisor, or 0 when it is gone.
        session: the session of the command and when its leader started; 0 is unknown.
    """

    def __init__(
        self, attempt: str, group: Group | None, *, ancestor: int, session: tuple[int, int] = (0, 0)
    ) -> None:
        self.group = group
        self._ancestor = ancestor
        self._session = session
        self._mark = f"{MARK}=:{attempt}:".encode()

    def living(self) -> list[int]:
        """Give the number of every process that is left."""
        if self._ancestor == os.getpid() and _childless():
            return []  # it adopts orphans, so there are no others: no need to look through all of /proc
        if self.group is not None:
            return self.group.members()
        return self._descendants() if self._ancestor else self._marked()

    def send(self, number: signal.Signals, to: list[int]) -> None:
        """Send a signal to processes; those that have gone meanwhile are no error."""
        for pid in to:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)

    def kill(self) -> None:
        """End every process at once."""
        if self.group is not None:
            self.group.kill()
            return
        self._over_all(signal.SIGKILL)

    def hold(self) -> None:
        """Stop every process where it is."""
        if self.group is not None:
            self.group.freeze(frozen=True)
            return
        self._over_all(signal.SIGSTOP)

    def release(self) -> None:
        """Let every process go on."""
        if self.group is not None:
            self.group.freeze(frozen=False)
            return
        self.send(signal.SIGCONT, self.living())

    def out_of_memory(self) -> bool:
        """Say whether the kernel killed one for want of memory; without a group nobody can tell."""
        return self.group is not None and self.group.out_of_memory()

    def _over_all(self, number: signal.Signals) -> None:
        """Signal until no new process is seen: they may fork meanwhile."""
        told: set[int] = set()
        for _ in range(64):
            fresh = [pid for pid in self.living() if pid not in told]
            if not fresh:
                return
            self.send(number, fresh)
            told.update(fresh)

    def _descendants(self) -> list[int]:
        children: dict[int, list[int]] = {}
        for pid, parent in linux.parents().items():
            children.setdefault(parent, []).append(pid)
        found: list[int] = []
        ahead = [self._ancestor]
        while ahead:
            ahead = [pid for parent in ahead for pid in children.get(parent, ())]
            found.extend(ahead)
        return found

    def _marked(self) -> list[int]:
        found = []
        session, began = self._session
        if linux.start_time(session) not in (None, began):
            session = (
                0  # the number is a stranger's now; while members live, nobody else can get it
            )
        for pid in linux.processes():
            about = linux.fields(pid)
            if about is None or about[0] in "ZX":
                continue
            if (session and int(about[3]) == session) or linux.bears(pid, self._mark):
                found.append(pid)
        return found


def _childless() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False
