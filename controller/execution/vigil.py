"""The vigil: what a supervisor does from the start of a command to the end of its attempt.

It drains the output to the spool, watches the time, heeds wishes left in the attempt's folder, and hears what the daemon
asks. `supervisor` keeps it; it calls `child`, `spool`, `processes` and `takedown`.
"""

# pathlib would cost every supervisor memory and time.
# ruff: noqa: PTH108, PTH115
from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Callable

from controller.execution import clock
from controller.execution.child import Child
from controller.execution.control import Control
from controller.execution.ending import Ending
from controller.execution.processes import Processes
from controller.execution.spool import Spool
from controller.execution.takedown import TICK, Takedown

LINGER = 2.0
"""Seconds that descendants may hold the output open after the command has ended."""
LAST_DRAIN = 1.0

_buffer = memoryview(bytearray(256 << 10))


class Vigil:
    """The time of one attempt.

    Args:
        folder: of the attempt.
        child: its command, which may begin at any moment.
        processes: all that belong to it.
        spool: takes its output.
        control: the socket to the daemon.
        wake: becomes readable when a signal comes.
        timeout: seconds that it may take.
        grace: seconds between TERM and KILL when they are over.
    """

    def __init__(
        self,
        folder: str,
        *,
        child: Child,
        processes: Processes,
        spool: Spool,
        control: Control,
        wake: int,
        timeout: float,
        grace: float,
    ) -> None:
        self.why: Ending | None = None
        self.cut = False
        """Whether this supervisor was told to end, as all are when the machine shuts down."""
        self._folder = folder
        self._child = child
        self._processes = processes
        self._spool = spool
        self._control = control
        self._wake = wake
        self._grace = grace
        self._poll = select.poll()
        self._heard: dict[int, Callable[[], object]] = {
            child.output: self._drain,
            wake: self._look,
            control.fileno(): self._hear,
        }
        if child.report >= 0:
            self._heard[child.report] = self._read_report
        self._takedown: Takedown | None = None
        self._linger: float | None = None
        self._deadline = clock.monotonic() + timeout
        self._resume: float | None = None
        self._paused: float | None = None
        self._wished = 0

    def left(self, living: tuple[int, ...]) -> tuple[int, ...]:
        """Give those that still run at the end; after a takedown, those that nothing could end."""
        return living if self._takedown is None else self._takedown.left

    def keep(self) -> None:
        """Look after everything until it is over."""
        for descriptor in self._heard:
            self._poll.register(descriptor, select.POLLIN)
        self._heed(clock.monotonic())
        while not self._over(clock.monotonic()):
            for descriptor, _ in self._poll.poll(self._patience(clock.monotonic())):
                self._heard[descriptor]()
            self._control.tell_output(self._spool.length)
        while self._child.output in self._heard and self._drain():
            pass
        self._note_signals()

    def _leave(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        del self._heard[descriptor]

    def _drain(self) -> bool:
        """Take what the command said; False when there is nothing more now."""
        try:
            count = os.readv(self._child.output, [_buffer])
        except BlockingIOError:
            return False
        if count == 0:
            self._leave(self._child.output)
            return False
        self._spool.take(_buffer[:count])
        return True

    def _read_report(self) -> None:
        if not self._child.read_report():
            self._leave(self._child.report)

    def _hear(self) -> None:
        if not self._control.hear():
            self._leave(self._control.fileno())

    def _look(self) -> None:
        """See what the signals were about: children that ended, wishes."""
        self._note_signals()
        self._child.reap()
        self._heed(clock.monotonic())

    def _note_signals(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self.cut = signal.SIGTERM in os.read(self._wake, 4096) or self.cut

    def _heed(self, now: float) -> None:
        """Do what is wished."""
        if self._child.fed and self._wish("shut") is not None:
            self._child.shut()
        stop = self._wish("stop")
        if stop is not None and self._takedown is None:
            self._begin(Ending.STOP, stop, now)
            return
        pause = self._wish("pause")
        if pause is not None and self._paused is None and self._takedown is None:
            self._pause(pause, now)
        elif pause is None and self._paused is not None:
            self._go_on(now)
        elif pause is not None and self._wished != self._stamp("pause"):
            self._rest(pause, now)  # it is held already, and somebody wants another time

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
        self._rest(seconds, now)
        with contextlib.suppress(OSError):
            os.close(
                os.open(f"{self._folder}/paused", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            )
        self._control.tell("phase")

    def _rest(self, seconds: float, now: float) -> None:
        """Note how long the newest wish wants the attempt to be held from now on."""
        self._wished = self._stamp("pause")
        self._resume = now + seconds if seconds > 0 else None

    def _stamp(self, name: str) -> int:
        """Tell one wish from the next: each is a file of its own."""
        try:
            return os.lstat(f"{self._folder}/{name}").st_ino
        except OSError:
            return 0

    def _go_on(self, now: float) -> None:
        """Let a held attempt go on; the time it was held is not its own."""
        self._processes.release()
        self._deadline += now - (now if self._paused is None else self._paused)
        self._paused = self._resume = None
        for name in ("pause", "paused"):
            with contextlib.suppress(OSError):
                os.unlink(f"{self._folder}/{name}")
        self._control.tell("phase")

    def _begin(self, why: Ending, grace: float, now: float) -> None:
        self.why = why
        self._takedown = Takedown(self._processes, grace=grace, now=now)
        self._takedown.step(now)
        if self._paused is not None:
            self._go_on(now)

    def _over(self, now: float) -> bool:
        """Say whether the attempt has ended; do what has become due."""
        if self._takedown is not None:
            return self._taken_down(now)
        if self._child.code is not None:
            if self._linger is None:
                self._linger = now + LINGER
            return self._child.output not in self._heard or now >= self._linger
        if self._resume is not None and now >= self._resume:
            self._go_on(now)
        if self._paused is None and now >= self._deadline:
            self._begin(Ending.TIMEOUT, self._grace, now)
        return False

    def _taken_down(self, now: float) -> bool:
        if self._takedown is None or not self._takedown.step(now):
            return False
        if self._linger is None:
            self._linger = now + LAST_DRAIN
        reaped = self._child.code is not None or bool(self._takedown.left)
        return reaped and (self._child.output not in self._heard or now >= self._linger)

    def _patience(self, now: float) -> float:
        """Say for how many milliseconds nothing is due."""
        if self._takedown is not None:
            return TICK * 1000
        due = [self._linger, self._resume, self._deadline if self._paused is None else None]
        return min(60.0, *(max(0.0, at - now) for at in due if at is not None), 60.0) * 1000 + 1
