"""Ending every process of an attempt: TERM, some grace, KILL, and the truth about what is left.

`supervisor` steps it from its loop, `executor` when a supervisor is gone. Time comes in as an argument.
"""

from __future__ import annotations

import signal

from controller.execution.processes import Processes

PATIENCE = 10.0
"""Seconds after the first KILL in which the kernel may take its processes back (disks that hang hold them)."""
TICK = 0.02


class Takedown:
    """One ending of everything.

    Args:
        processes: whom to end.
        grace: seconds between TERM and KILL.
        now: seconds of the monotonic clock.
    """

    def __init__(self, processes: Processes, *, grace: float, now: float) -> None:
        self.left: tuple[int, ...] = ()
        self._processes = processes
        self._kill_at = now + grace
        self._told: set[int] = set()

    def step(self, now: float) -> bool:
        """Do what is due; say whether it is over: nothing is left, or nothing more can be done."""
        try:
            living = self._processes.living()
        except OSError:
            return False  # nobody can look now
        if not living:
            return True
        if now < self._kill_at:
            fresh = [pid for pid in living if pid not in self._told]
            self._processes.send(signal.SIGTERM, fresh)
            self._told.update(fresh)
            return False
        self._processes.kill()
        if now < self._kill_at + PATIENCE:
            return False
        self.left = tuple(living[:64])
        return True
