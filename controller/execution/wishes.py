"""What people want of an attempt that runs: left in its folder, where its supervisor looks when told by a signal.

So a wish holds even if the daemon ends the next moment. `executor` calls it; `supervisor` heeds.
"""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from controller.execution import linux
from controller.execution.errors import RefusedError
from controller.execution.running import Running

PAUSE = 0.01


class Wishes:
    """The wishes for one attempt.

    Args:
        running: the attempt.
        folder: of the attempt.
    """

    def __init__(self, running: Running, folder: Path) -> None:
        self._running = running
        self._folder = folder

    def want(self, wish: str, seconds: float = 0.0) -> None:
        """Want `stop`, `pause` or `shut` (of its input), with the seconds that belong to it."""
        fresh = self._folder / f"{wish}.new"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(str(seconds))  # a link needs no room on a full disk
        fresh.replace(self._folder / wish)
        self._tell()

    def withdraw(self, wish: str) -> None:
        """Want something no more."""
        (self._folder / wish).unlink(missing_ok=True)
        self._tell()

    async def feed(self, data: bytes) -> None:
        """Write to the attempt's input as fast as it reads.

        Raises:
            RefusedError: it takes no input, or has closed it.
        """
        name = self._running.name
        try:
            opened = os.open(self._folder / "input", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise RefusedError(f"cannot feed {name}: it takes no input") from error
        try:
            left = memoryview(data)
            while left:
                left = left[await self._push(opened, left) :]
        finally:
            os.close(opened)

    async def _push(self, opened: int, data: memoryview) -> int:
        try:
            return os.write(opened, data)
        except BlockingIOError:
            if not self._running.alive():
                raise RefusedError(f"cannot feed {self._running.name}: it has ended") from None
            await asyncio.sleep(PAUSE)
            return 0
        except BrokenPipeError as error:
            raise RefusedError(f"cannot feed {self._running.name}: its input is closed") from error

    def _tell(self) -> None:
        linux.tell(self._running.pid, self._running.started, signal.SIGUSR1)
