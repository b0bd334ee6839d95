"""Bounds of one call of git, and what ends it at the first bound that is met.

Called by `git` only. Time is counted in ticks of waiting, so that no clock is asked.
"""

import os
import resource
import signal
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TICK: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one call: seconds of time, bytes of output, of memory, and on disk under `grows`."""

    seconds: float = 60.0
    output: int = 16 << 20
    disk: int = 512 << 20
    memory: int = 2 << 30
    grows: Path | None = None


class Watch:
    """Ends a process group at the first bound that is met, and says which it was."""

    def __init__(self, *, limits: Limits, halt: threading.Event, what: str) -> None:
        self.limits = limits
        self.trouble: str | None = None
        self.hint: str | None = None
        self._halt = halt
        self._what = what
        self._ended = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._look, name=f"watch {what}", daemon=True)

    def over(self, process: "subprocess.Popen[bytes]") -> "Watch":
        """Take a process to watch."""
        self._process = process
        return self

    def __enter__(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                pid = self._process.pid
                lower(pid, resource.RLIMIT_FSIZE, self.limits.disk)
                lower(pid, resource.RLIMIT_AS, self.limits.memory)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self.kill()
        if self._process is not None:
            self._process.wait()
        self._ended.set()
        self._thread.join()

    def stop(self, trouble: str, hint: str | None = None) -> None:
        """End the processes; the first trouble is the one that is told."""
        if self.trouble is None:
            self.trouble, self.hint = f"cannot finish {self._what}: {trouble}", hint
        self.kill()

    def _look(self) -> None:
        for _ in range(round(self.limits.seconds / TICK)):
            if self._ended.wait(TICK):
                return
            if self._halt.is_set():
                self.stop("it was interrupted")
                return
            if self._overgrown():
                self.stop(f"it wrote more than {self.limits.disk >> 20} MiB")
                return
        self.stop(f"no end after {self.limits.seconds:g} s", "the remote is slow, or too large")

    def _overgrown(self) -> bool:
        if self.limits.grows is None:
            return False
        return _size(self.limits.grows) > self.limits.disk

    def kill(self) -> None:
        """End whatever is left of the process group."""
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


def _size(folder: Path) -> int:
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # git renames its temporary files under us
                total += Path(root, name).lstat().st_size
    return total


def lower(pid: int, kind: int, most: int) -> None:
    """Bound a process; what the shell allows less of stays as it is, for nobody may raise that."""
    hard = resource.prlimit(pid, kind)[1]
    if hard == resource.RLIM_INFINITY or hard > most:
        resource.prlimit(pid, kind, (most, most))
