"""The command of an attempt as its supervisor holds it: forked, behind its barrier, let go, ended.

`supervisor` calls it; the forked child goes its way in `command`.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Mapping

from controller.execution import linux
from controller.execution.cgroup import Group
from controller.execution.command import become_command

PIPE = 256 << 10
REASON = 1000
"""Characters that are kept of the reason why a command could not start."""


class Child:
    """The command, from its fork on.

    Args:
        plan: as `launch` wrote it.
        group: the cgroup it belongs to, where there is one.
    """

    def __init__(self, plan: Mapping[str, object], group: Group | None) -> None:
        self.pid = 0
        self.started = 0
        self.output = -1
        self.report = -1
        self.code: int | None = None
        self._plan = plan
        self._group = group
        self._barrier = -1
        self._feed = -1
        self._trouble = b""

    @property
    def trouble(self) -> str:
        """Say why the command could not start; empty when it did."""
        return self._trouble.decode("utf-8", "replace")[:REASON]

    @property
    def fed(self) -> bool:
        """Say whether its input is kept open for more."""
        return self._feed >= 0

    def fork(self, *, text: bytes, stdin: bytes) -> None:
        """Make the process that waits at the barrier, in its group.

        Raises:
            OSError: out of processes, descriptors or memory; nothing is left of it.
        """
        theirs: list[int] = []
        try:
            self._open(theirs, text=text, stdin=stdin)
            output, barrier, report, source, script = theirs
            self.pid = os.fork()
            if self.pid == 0:
                os.close(self._barrier)  # or the child would wait for itself
                signal.set_wakeup_fd(-1)
                become_command(
                    self._plan,
                    stdin=source,
                    output=output,
                    text=script,
                    barrier=barrier,
                    report=report,
                )
            if self._group is not None:
                self._group.take(self.pid)
            self.started = linux.start_time(self.pid) or 0
        except OSError:
            self.abandon()
            raise
        finally:
            for descriptor in theirs:
                if descriptor >= 0:
                    os.close(descriptor)

    def _open(self, theirs: list[int], *, text: bytes, stdin: bytes) -> None:
        """Open everything that lies between the two; what goes to the child is put into `theirs` one by one."""
        self.output, output = os.pipe()
        theirs.append(output)
        linux.widen(self.output, PIPE)
        barrier, self._barrier = os.pipe()
        theirs.append(barrier)
        self.report, report = os.pipe()
        theirs.append(report)
        theirs.append(self._source(stdin))
        theirs.append(linux.memory_file("text", text) if text else -1)
        for descriptor in (self.output, self.report):
            os.set_blocking(descriptor, False)

    def _source(self, stdin: bytes) -> int:
        """Open what the command reads: bytes that were sent, a pipe with a name, or nothing."""
        if stdin:
            return linux.memory_file("input", stdin)
        if not self._plan["stream"]:
            return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        # Held open for writing here too, so that it does not end with the first who feeds it.
        name = f"{self._plan['folder']}/input"
        os.mkfifo(name, 0o600)
        self._feed = os.open(name, os.O_RDWR | os.O_CLOEXEC)
        return os.open(name, os.O_RDONLY | os.O_CLOEXEC)

    def release(self) -> None:
        """Open the barrier."""
        with contextlib.suppress(
            BrokenPipeError
        ):  # it could not even come to the barrier: the report says why
            os.write(self._barrier, b"g")
        os.close(self._barrier)
        self._barrier = -1

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

    def close(self) -> None:
        """Close every descriptor."""
        self.shut()
        for descriptor in (self.output, self.report, self._barrier):
            if descriptor >= 0:
                os.close(descriptor)
        self.output = self.report = self._barrier = -1
