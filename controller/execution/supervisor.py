"""The supervisor: one small process an attempt, which outlives the daemon.

It forks the command behind a barrier, drains its output to the spool, watches the time, heeds wishes left in the
attempt's folder (`stop`, `pause`, `shut`; SIGUSR1 says "look"), and writes the end to the exit file.

`nursery` forks it and calls `supervise`. It imports little: every supervisor pays for it.
"""

# pathlib would cost every supervisor memory and time.
# ruff: noqa: PTH108, PTH115
from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
from collections.abc import Mapping

from controller.execution import clock, linux
from controller.execution.cgroup import Group
from controller.execution.command import become_command
from controller.execution.ending import Ending
from controller.execution.exitfile import ExitFile
from controller.execution.handover import receive
from controller.execution.lines import encode
from controller.execution.processes import Processes
from controller.execution.spool import Spool
from controller.execution.takedown import TICK, Takedown

BUFFER = 256 << 10
LINGER = 2.0
"""Seconds that descendants may hold the output open after the command has ended."""
LAST_DRAIN = 1.0


def supervise(descriptors: list[int]) -> None:
    """Look after one attempt from its plan to its exit file.

    Args:
        descriptors: the control socket; then the text and the input where the plan says so.
    """
    control = socket.socket(fileno=descriptors[0])
    plan = receive(control)
    rest = iter(descriptors[1:])
    text = next(rest) if plan["has_text"] else -1
    stdin = next(rest) if plan["has_stdin"] else -1
    linux.adopt_orphans()
    attempt = Supervisor(plan)
    attempt.fork(stdin=stdin, text=text)
    report = {
        "pid": os.getpid(),
        "start": linux.start_time(os.getpid()),
        "leader": attempt.leader,
        "leader_start": linux.start_time(attempt.leader) or 0,
    }
    control.sendall(encode(report))
    if control.recv(1) == b"":
        attempt.refuse()
        return
    attempt.release()
    attempt.run()


class Supervisor:
    """One attempt, seen by the process that looks after it.

    Args:
        plan: as `launch` wrote it.
    """

    def __init__(self, plan: Mapping[str, object]) -> None:
        self.leader = 0
        self._plan = plan
        self._folder = str(plan["folder"])
        self._group = Group(str(plan["group"])) if plan["group"] else None
        self._exit = ExitFile(self._folder)
        self._spool = Spool(self._folder, head=_whole(plan["head"]), tail=_whole(plan["tail"]))
        self._buffer = memoryview(bytearray(BUFFER))
        self._poll = select.poll()
        self._output = self._barrier = self._report = self._wake = self._feed = -1
        self._code: int | None = None
        self._why: Ending | None = None
        self._trouble = b""
        self._takedown: Takedown | None = None
        self._linger: float | None = None
        self._deadline = 0.0
        self._resume: float | None = None
        self._paused: float | None = None

    def fork(self, *, stdin: int, text: int) -> None:
        """Make the child that waits at the barrier, and put it into its group."""
        self._exit.reserve()
        self._listen()
        self._output, output = os.pipe()
        linux.widen(self._output, BUFFER)
        barrier, self._barrier = os.pipe()
        self._report, report = os.pipe()
        stdin = self._input(stdin)
        self.leader = os.fork()
        if self.leader == 0:
            os.close(self._barrier)  # or the child would wait for itself
            signal.set_wakeup_fd(-1)
            become_command(
                self._plan, stdin=stdin, output=output, text=text, barrier=barrier, report=report
            )
        for descriptor in (output, barrier, report, stdin, text):
            if descriptor >= 0:
                os.close(descriptor)
        if self._group is not None:
            self._group.take(self.leader)
        self._processes = Processes(str(self._plan["id"]), self._group, ancestor=os.getpid())

    def release(self) -> None:
        """Let the command start, and its time run."""
        self._deadline = clock.monotonic() + _seconds(self._plan["timeout"])
        with contextlib.suppress(
            BrokenPipeError
        ):  # it could not even come to the barrier: the report says why
            os.write(self._barrier, b"g")
        os.close(self._barrier)
        for descriptor in (self._output, self._report, self._wake):
            os.set_blocking(descriptor, False)
            self._poll.register(descriptor, select.POLLIN)
        self._heed(clock.monotonic())

    def refuse(self) -> None:
        """Nobody lets the command start any more: write down that nothing of it ran."""
        os.close(self._barrier)
        os.waitpid(self.leader, 0)
        self._write(Ending.UNSTARTED, message="the agent stopped before it was recorded as started")

    def run(self) -> None:
        """Look after everything until the end is written."""
        while not self._over(clock.monotonic()):
            for descriptor, _ in self._poll.poll(self._patience(clock.monotonic())):
                if descriptor == self._output:
                    self._drain()
                elif descriptor == self._report:
                    self._read_report()
                else:
                    self._look()
        while self._output >= 0 and self._drain():
            pass
        self._finish()

    def _listen(self) -> None:
        """Have signals wake the loop."""
        self._wake, told = os.pipe()
        os.set_blocking(told, False)
        signal.set_wakeup_fd(told, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGUSR1, signal.SIGTERM):
            signal.signal(number, _noted)

    def _input(self, given: int) -> int:
        """Open what the command reads: bytes that were sent, a pipe with a name, or nothing."""
        if given >= 0:
            return given
        if not self._plan["stream"]:
            return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        # Held open for writing here too, so that it does not end with the first who feeds it.
        name = f"{self._folder}/input"
        self._feed = os.open(name, os.O_RDWR | os.O_CLOEXEC)
        return os.open(name, os.O_RDONLY | os.O_CLOEXEC)

    def _drain(self) -> bool:
        """Take what the command said; False when there is nothing more now."""
        try:
            count = os.readv(self._output, [self._buffer])
        except BlockingIOError:
            return False
        if count == 0:
            self._poll.unregister(self._output)
            os.close(self._output)
            self._output = -1
            return False
        self._spool.take(self._buffer[:count])
        return True

    def _read_report(self) -> None:
        said = os.read(self._report, 4096)
        self._trouble += said
        if not said:
            self._poll.unregister(self._report)
            os.close(self._report)

    def _look(self) -> None:
        """See what the signals were about: children that ended, wishes."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake, 4096)
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    break
                if pid == self.leader:
                    code = os.waitstatus_to_exitcode(status)
                    self._code = 128 - code if code < 0 else code
        self._heed(clock.monotonic())

    def _heed(self, now: float) -> None:
        """Do what is wished."""
        if self._feed >= 0 and self._wish("shut") is not None:
            os.close(self._feed)
            self._feed = -1
        stop = self._wish("stop")
        if stop is not None and self._takedown is None:
            self._begin(Ending.STOP, stop, now)
            return
        pause = self._wish("pause")
        if pause is not None and self._paused is None and self._takedown is None:
            self._pause(pause, now)
        elif pause is None and self._paused is not None:
            self._go_on(now)

    def _wish(self, name: str) -> float | None:
        """Read the seconds that a wish comes with; None when nobody has it. It is a link: that needs no room on a full disk."""
        try:
            return float(os.readlink(f"{self._folder}/{name}"))
        except (OSError, ValueError):
            return None

    def _pause(self, seconds: float, now: float) -> None:
        try:
            self._processes.hold()
        except OSError:
            return  # no freezer here: who asked sees that no `paused` appears
        self._paused = now
        self._resume = now + seconds if seconds > 0 else None
        with contextlib.suppress(OSError):
            os.close(
                os.open(f"{self._folder}/paused", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            )

    def _go_on(self, now: float) -> None:
        """Let a held attempt go on; the time it was held is not its own."""
        self._processes.release()
        self._deadline += now - (now if self._paused is None else self._paused)
        self._paused = self._resume = None
        for name in ("pause", "paused"):
            with contextlib.suppress(OSError):
                os.unlink(f"{self._folder}/{name}")

    def _begin(self, why: Ending, grace: float, now: float) -> None:
        self._why = why
        self._takedown = Takedown(self._processes, grace=grace, now=now)
        self._takedown.step(now)
        if self._paused is not None:
            self._go_on(now)

    def _over(self, now: float) -> bool:
        """Say whether the attempt has ended; do what has become due."""
        if self._takedown is not None:
            return self._taken_down(now)
        if self._code is not None:
            if self._linger is None:
                self._linger = now + LINGER
            return self._output < 0 or now >= self._linger
        if self._resume is not None and now >= self._resume:
            self._go_on(now)
        if self._paused is None and now >= self._deadline:
            self._begin(Ending.TIMEOUT, _seconds(self._plan["grace"]), now)
        return False

    def _taken_down(self, now: float) -> bool:
        if self._takedown is None or not self._takedown.step(now):
            return False
        if self._linger is None:
            self._linger = now + LAST_DRAIN
        reaped = self._code is not None or bool(self._takedown.left)
        return reaped and (self._output < 0 or now >= self._linger)

    def _patience(self, now: float) -> float:
        """Say for how many milliseconds nothing is due."""
        if self._takedown is not None:
            return TICK * 1000
        due = [self._linger, self._resume, self._deadline if self._paused is None else None]
        return min(60.0, *(max(0.0, at - now) for at in due if at is not None), 60.0) * 1000 + 1

    def _finish(self) -> None:
        left = self._takedown.left if self._takedown is not None else ()
        if self._trouble and self._why is None:
            self._write(Ending.START, message=self._trouble.decode("utf-8", "replace"))
            return
        message = []
        oom = self._processes.out_of_memory()
        if oom:
            message.append("killed: out of memory")
        if self._takedown is None:
            left = tuple(self._processes.living()[:64])
        if left:
            message.append(f"left running: {len(left)} processes")
        if self._spool.lost is not None:
            message.append(f"output lost from byte {self._spool.lost} on: no room")
        self._write(
            self._why or Ending.EXIT,
            code=self._code,
            message="; ".join(message),
            oom=oom,
            left=left,
        )

    def _write(
        self,
        ending: Ending,
        *,
        code: int | None = None,
        message: str = "",
        oom: bool = False,
        left: tuple[int, ...] = (),
    ) -> None:
        """Write the exit file, and let go of the group if nobody is left in it."""
        record = {
            "ending": ending.value,
            "exit_code": code,
            "message": message,
            "oom": oom,
            "left": left,
            "at": clock.wall(),
            **self._spool.finish(),
        }
        self._exit.write(record)
        if self._group is not None:
            self._group.remove()


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
