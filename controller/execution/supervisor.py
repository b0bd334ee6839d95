"""The supervisor: a small process that looks after one attempt, and outlives the daemon if need be.

It has the command forked behind a barrier, lets it go when the daemon has written that down, keeps the `vigil`, writes the
end to the exit file and tells the daemon. When nothing of the attempt is left, it takes the next one; when the daemon is
gone, it ends with its attempt. SIGUSR1 says: look for wishes.

`nursery` forks it and calls `serve`. It imports little: every supervisor pays for it.
"""

# pathlib would cost every supervisor memory and time.
# ruff: noqa: PTH102
from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
from collections.abc import Iterator

from controller.execution import clock, linux
from controller.execution.cgroup import Group
from controller.execution.child import Child
from controller.execution.control import Control, Handed
from controller.execution.ending import Ending
from controller.execution.exitfile import ExitFile
from controller.execution.jobfolder import make_job, make_outputs
from controller.execution.processes import Processes
from controller.execution.spool import Spool
from controller.execution.vigil import Vigil

MOST = 500
"""Attempts that one supervisor takes; its collector of garbage is off, so it must not live for ever."""
MESSAGE = 400
"""Characters of a message, up to six bytes each: a record must fit into what its exit file has reserved."""
EXHAUSTED = {
    errno.EAGAIN,
    errno.ENOMEM,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOSPC,
    errno.EDQUOT,
}


def serve(door: socket.socket) -> None:
    """Look after one attempt after the other, until the daemon is gone or something is left behind.

    Args:
        door: the socket to the daemon.
    """
    linux.adopt_orphans()
    wake = _listen()
    control = Control(door)
    control.tell("born", pid=os.getpid(), start=linux.start_time(os.getpid()))
    for left in range(MOST - 1, -1, -1):
        if not _serve_one(control, wake, last=left == 0):
            return


def _serve_one(control: Control, wake: int, *, last: bool) -> bool:
    """Wait for an attempt and look after it; nothing of it is kept while we wait for the next."""
    handed = control.receive()
    return handed is not None and Supervisor(handed, control, wake).look_after(last=last)


class Supervisor:
    """One attempt, seen by the process that looks after it.

    Args:
        handed: the attempt; its plan is as `launch` wrote it.
        control: the socket to the daemon.
        wake: becomes readable when a signal comes.
    """

    def __init__(self, handed: Handed, control: Control, wake: int) -> None:
        plan = handed.plan
        self._plan = plan
        self._handed = handed
        self._control = control
        self._wake = wake
        self._folder = str(plan["folder"])
        self._group = Group(str(plan["group"])) if plan["group"] else None
        self._exit = ExitFile(self._folder)
        self._spool = Spool(self._folder, head=_whole(plan["head"]), tail=_whole(plan["tail"]))
        self._child = Child(plan, self._group)
        self._processes = Processes(str(plan["id"]), self._group, ancestor=os.getpid())

    def look_after(self, *, last: bool) -> bool:
        """Look after the attempt until its end is written.

        Args:
            last: this supervisor takes no other attempt after it.

        Returns:
            whether it may take another one.
        """
        try:
            trouble = self._prepare()
            self._control.tell("ready")
            if not self._control.released():
                self._control.attended = False
                self._child.abandon()
                message = "the agent stopped before it was recorded as started"
                self._write(Ending.UNSTARTED, message=message, free=False)
                return False
            if trouble is not None:
                ending = _not_begun(trouble.errno)
                message = f"cannot start: {trouble.strerror}: {trouble.filename or 'a process'}"
                return self._write(ending, message=message, free=not last)
            return self._keep_vigil(free=not last)
        finally:
            self._child.close()
            self._exit.close()

    def _prepare(self) -> OSError | None:
        """Make everything up to the child that waits at the barrier; give the reason why that cannot be."""
        owner = self._plan["owner"]
        uid, gid = owner if isinstance(owner, list) else (-1, -1)
        try:
            os.mkdir(self._folder, 0o700)
            self._exit.reserve()
            make_job(str(self._plan["job"]), uid, gid)
            make_outputs(str(self._plan["outputs"]), uid, gid)
            limits = self._plan["group_limits"]
            if self._group is not None and isinstance(limits, dict):
                self._group.make(limits)
            self._child.make(text=self._handed.text, stdin=self._handed.stdin)
            if self._child.pid:
                self._exit.note(self._child.about())
        except OSError as error:
            self._child.abandon()
            return error
        return None

    def _keep_vigil(self, *, free: bool) -> bool:
        child, plan = self._child, self._plan
        vigil = Vigil(
            self._folder,
            child=child,
            processes=self._processes,
            spool=self._spool,
            control=self._control,
            wake=self._wake,
            timeout=_seconds(plan["timeout"]),
            grace=_seconds(plan["grace"]),
        )
        self._let_begin()
        vigil.keep()
        if vigil.cut and vigil.why is None:
            # The command was told, too, and an exit of 0 may be all it made of that. Without an end it is interrupted.
            return False
        living = tuple(self._processes.living()[:64])
        free = free and not living
        if child.trouble and vigil.why is None:
            return self._write(_not_begun(child.want), message=child.trouble, free=free)
        left, oom = vigil.left(living), self._processes.out_of_memory()
        return self._write(
            vigil.why or Ending.EXIT,
            code=child.code,
            message="; ".join(self._remarks(left, oom=oom)),
            oom=oom,
            left=left,
            free=free,
        )

    def _let_begin(self) -> None:
        """Let the command begin; one that was not forked before is known only now."""
        noted = self._child.pid
        self._child.release()
        if self._child.pid != noted:
            with contextlib.suppress(OSError):  # the mark in its environment tells, too
                self._exit.note(self._child.about())

    def _remarks(self, left: tuple[int, ...], *, oom: bool) -> Iterator[str]:
        if oom:
            yield "killed: out of memory"
        if left:
            yield f"left running: {len(left)} processes"
        if self._spool.lost is not None:
            yield f"output lost from byte {self._spool.lost} on: no room"

    def _write(
        self,
        ending: Ending,
        *,
        free: bool,
        code: int | None = None,
        message: str = "",
        oom: bool = False,
        left: tuple[int, ...] = (),
    ) -> bool:
        """Write the exit file, tell the daemon, and let go of the group if nobody is left in it; say whether we are free."""
        record = {
            "ending": ending.value,
            "exit_code": code,
            "message": message[:MESSAGE],
            "oom": oom,
            "left": left,
            "at": clock.wall(),
            **self._spool.finish(),
        }
        with contextlib.suppress(OSError):  # without its folder only the daemon can write it down
            self._exit.write(record, sure=not self._control.attended)
        free = free and self._control.attended
        self._control.tell("end", end=record, free=free)
        if self._group is not None:
            self._group.remove()  # nobody waits for it: the kernel removes one after the other
        return free


def _not_begun(error: int | None) -> Ending:
    """Tell a machine that has no room now from an attempt that can never begin."""
    return Ending.UNSTARTED if error in EXHAUSTED else Ending.START


def _listen() -> int:
    """Have signals wake the loop; give the descriptor that then becomes readable."""
    wake, told = os.pipe()
    for descriptor in (wake, told):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGUSR1, signal.SIGTERM):
        signal.signal(number, _noted)
    return wake


def _noted(number: int, frame: object) -> None:
    """Have the signal interrupt nothing: the wake-up descriptor has told the loop."""


def _whole(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"cannot read {value!r} as a whole number")
    return value


def _seconds(value: object) -> float:
    if not isinstance(value, (int, float)):
        raise TypeError(f"cannot read {value!r} as seconds")
    return float(value)
