"""The command of an attempt as its supervisor holds it: made ready, let go, ended.

It is forked beforehand and waits at a barrier, or it is spawned when it may begin, where that can be. `supervisor` and
`vigil` call it; a forked child goes its way in `command`, `spawning` starts the other.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Mapping

from controller.execution import linux
from controller.execution.cgroup import Group
from controller.execution.command import UNTOUCHED, become_command
from controller.execution.spawning import may_spawn, spawn_command

PIPE = 256 << 10


class Child:
    """The command, from the first descriptor on.

    Attributes:
        pid: its process; 0 where there is none (yet).
        output: what it says.
        report: why it cannot start, from a forked child; -1 where it is spawned.
        code: its exit code, once it has ended.
        want: the error number with which its start failed.

    Args:
        plan: as `launch` wrote it.
        group: the cgroup it belongs to, where there is one.
    """

    def __init__(self, plan: Mapping[str, object], group: Group | None) -> None:
        self.pid = 0
        self.output = -1
        self.report = -1
        self.code: int | None = None
        self.want = 0
        self._plan = plan
        self._group = group
        self._barrier = -1
        self._feed = -1
        self._trouble = b""
        self._theirs: dict[str, int] = {}
        self._spawned = False

    @property
    def trouble(self) -> str:
        """Say why the command could not start; empty when it did."""
        return self._trouble.decode("utf-8", "replace")

    @property
    def fed(self) -> bool:
        """Say whether its input is kept open for more."""
        return self._feed >= 0

    def make(self, *, text: bytes, stdin: bytes) -> None:
        """Make all that it needs; where it must be forked, it then waits at the barrier, in its group.

        Raises:
            OSError: out of processes, descriptors or memory; nothing is left of it.
        """
        try:
            self._open(text=text, stdin=stdin)
            self._spawned = may_spawn(self._plan)
            if not self._spawned:
                self._fork()
        except OSError:
            self.abandon()
            raise

    def _open(self, *, text: bytes, stdin: bytes) -> None:
        self.output, self._theirs["output"] = os.pipe()
        linux.widen(self.output, PIPE)
        os.set_blocking(self.output, False)
        self._theirs["stdin"] = self._source(stdin)
        if text:
            self._theirs["text"] = linux.memory_file("text", text)

    def _fork(self) -> None:
        theirs = self._theirs
        theirs["barrier"], self._barrier = os.pipe()
        self.report, theirs["report"] = os.pipe()
        os.set_blocking(self.report, False)
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._barrier)  # or the child would wait for itself
            signal.set_wakeup_fd(-1)
            become_command(
                self._plan,
                stdin=theirs["stdin"],
                output=theirs["output"],
                text=theirs.get("text", -1),
                barrier=theirs["barrier"],
                report=theirs["report"],
            )
        self._let_go()
        if self._group is not None:
            self._group.take(self.pid)

    def _source(self, stdin: bytes) -> int:
        """Open what the command reads: bytes that were sent, a file, a pipe with a name, or nothing."""
        if stdin:
            return linux.memory_file("input", stdin)
        if self._plan["stdin_path"]:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
            return os.open(str(self._plan["stdin_path"]), flags)
        if not self._plan["stream"]:
            return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        # Held open for writing here too, so that it does not end with the first who feeds it.
        name = f"{self._plan['folder']}/input"
        os.mkfifo(name, 0o600)
        self._feed = os.open(name, os.O_RDWR | os.O_CLOEXEC)
        return os.open(name, os.O_RDONLY | os.O_CLOEXEC)

    def release(self) -> None:
        """Let it begin: open the barrier, or start it now. If that cannot be, `trouble` says why."""
        if not self._spawned:
            with contextlib.suppress(
                BrokenPipeError
            ):  # it could not even come to the barrier: the report says why
                os.write(self._barrier, b"g")
            os.close(self._barrier)
            self._barrier = -1
            return
        try:
            self.pid = spawn_command(
                self._plan,
                stdin=self._theirs["stdin"],
                output=self._theirs["output"],
                text=self._theirs.get("text", -1),
                group=self._group,
            )
        except OSError as error:
            self.want = error.errno or 0
            self._trouble = str(error.strerror).encode("utf-8", "backslashreplace")
            self.code = UNTOUCHED
        self._let_go()

    def about(self) -> dict[str, object]:
        """Say who it is, for whoever must end it when we are gone."""
        return {"leader": self.pid, "leader_start": linux.start_time(self.pid) or 0}

    def abandon(self) -> None:
        """Keep the barrier shut for ever, and let go of everything."""
        self.close()
        if self.pid:
            os.waitpid(self.pid, 0)
            self.pid = 0

    def shut(self) -> None:
        """End the input of a command that is fed."""
        if self._feed >= 0:
            os.close(self._feed)
            self._feed = -1

    def read_report(self) -> bool:
        """Take the reason why it could not start; False once there will be no more."""
        said = os.read(self.report, 4096)
        self._trouble += said
        return bool(said)

    def reap(self) -> None:
        """Take leave of every process that has ended: the command, and orphans of it."""
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self.pid:
                    code = os.waitstatus_to_exitcode(status)
                    self.code = 128 - code if code < 0 else code

    def _let_go(self) -> None:
        """Close what the other side has now."""
        while self._theirs:
            os.close(self._theirs.popitem()[1])

    def close(self) -> None:
        """Close every descriptor."""
        self.shut()
        self._let_go()
        for descriptor in (self.output, self.report, self._barrier):
            if descriptor >= 0:
                os.close(descriptor)
        self.output = self.report = self._barrier = -1
