"""The daemon's side of the nursery: starts it, keeps it, and asks it for supervisors.

`pool` calls it; it starts `nursery` as a process.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

from controller.execution.errors import FullError

ROOT = str(Path(__file__).parents[2])
"""Where the package lies: a folder, or the one file the agent is packed in."""
START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from controller.execution.nursery import main; main()"
PAUSE = 0.002


class Spawner:
    """Makes supervisors; restarts its nursery when that is gone.

    Args:
        trouble: the file in which a supervisor that fails says why.
        group: the cgroup of all supervisors, where there is one.
    """

    def __init__(self, trouble: Path, *, group: str | None) -> None:
        self._trouble = trouble
        self._argv = [sys.executable, "-I", "-S", "-c", START, ROOT, str(trouble), group or ""]
        self._door: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def open(self) -> None:
        """Start the nursery.

        Raises:
            FullError: there is no room for another process.
        """
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError as error:
            raise FullError(f"cannot start the nursery: {error.strerror}") from error
        try:
            with theirs:
                self._process = subprocess.Popen(self._argv, stdin=theirs.fileno(), cwd="/", env={})
        except OSError as error:
            ours.close()
            raise FullError(f"cannot start the nursery: {error.strerror}") from error
        ours.setblocking(False)
        self._door = ours

    async def spawn(self) -> socket.socket:
        """Have a supervisor forked.

        Returns:
            the socket to it.

        Raises:
            FullError: there is no room for another process.
        """
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            raise FullError(f"cannot start a supervisor: {error.strerror}") from error
        with theirs:
            for last in (False, True):
                if self._door is None:
                    self.open()
                try:
                    await self._send(theirs.fileno())
                    break
                except OSError as error:
                    self.close()
                    if last:
                        ours.close()
                        raise FullError(f"cannot reach the nursery: {error.strerror}") from error
        return ours

    def trouble(self) -> str | None:
        """Tell why the last supervisor failed that did; None when none ever did."""
        try:
            return self._trouble.read_text(errors="replace").splitlines()[-1]
        except (OSError, IndexError):
            return None

    async def _send(self, descriptor: int) -> None:
        while self._door is not None:
            try:
                socket.send_fds(self._door, [b"s"], [descriptor])
            except BlockingIOError:
                await asyncio.sleep(PAUSE)  # it forks as fast as it can
            else:
                return

    def close(self) -> None:
        """Let the nursery end; supervisors go on."""
        if self._door is not None:
            self._door.close()
            self._door = None
        if self._process is not None:
            self._process.wait()
            self._process = None
