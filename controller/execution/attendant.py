"""One supervisor as the daemon that started it holds it: hand it an attempt, let that begin, hear what becomes of it.

`pool` makes it, `starter` and `running` call it. It speaks `handover` and calls the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Mapping

from controller.execution.errors import FullError
from controller.execution.handover import GO, ask_for_more
from controller.execution.lines import decode
from controller.execution.status import whole

PIECE = 64 << 10

Record = Mapping[str, object]


class Attendant:
    """The socket to one supervisor.

    Args:
        door: the socket; this object closes it.
    """

    def __init__(self, door: socket.socket) -> None:
        self.pid = 0
        self.started = 0
        self.free = False
        self.lost = False
        self._refused: str | None = None
        self._door = door
        self._said = b""
        self._loop = asyncio.get_running_loop()
        self._born: asyncio.Future[None] = self._loop.create_future()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._end: asyncio.Future[Record | None] = self._loop.create_future()
        self._tell: Callable[[], None] = _nobody
        door.setblocking(False)
        self._loop.add_reader(door.fileno(), self._hear)

    async def born(self) -> bool:
        """Wait until there is a supervisor; False when there is none, for a reason that may go away.

        Raises:
            FullError: there is no room for another process.
        """
        await self._born
        if self._refused is not None:
            raise FullError(f"cannot start a supervisor: {self._refused}")
        return not self.lost

    async def hand(self, attempt: bytes) -> None:
        """Hand it an attempt, written by `hand_over`.

        Raises:
            OSError: the supervisor is gone, and has nothing.
        """
        self.free = False
        self._end = self._loop.create_future()
        self._ready = self._loop.create_future()
        await self._loop.sock_sendall(self._door, attempt)

    async def release(self) -> None:
        """Let the command begin, once it waits for that.

        Raises:
            FullError: the supervisor is gone, and the command never began.
        """
        await self._ready
        try:
            if not self.lost:
                await self._loop.sock_sendall(self._door, GO)
                return
        except OSError:
            self._lose()
        raise FullError("cannot start the command: its supervisor was ended")

    async def end(self, told: Callable[[], None]) -> Record | None:
        """Wait for the end of the attempt; None when its supervisor is gone without telling.

        Args:
            told: called when there is other news, until then.
        """
        self._tell = told
        try:
            if self.lost and not self._end.done():
                return None
            return await self._end
        finally:
            self._tell = _nobody

    def ask(self, length: int) -> None:
        """Ask for news once there is more output than that."""
        with contextlib.suppress(OSError):  # whoever waits looks again after a while, anyway
            self._door.send(ask_for_more(length))

    def close(self) -> None:
        """Leave the supervisor alone: it ends when its attempt does."""
        self._lose()

    def _hear(self) -> None:
        try:
            part = self._door.recv(PIECE)
        except BlockingIOError:
            return
        except OSError:
            part = b""
        if not part:
            self._lose()
            return
        *lines, self._said = (self._said + part).split(b"\n")
        for line in lines:
            self._take(decode(line + b"\n") or {})

    def _take(self, said: Record) -> None:
        event = said.get("event")
        if event == "born":
            self.pid, self.started = whole(said["pid"]), whole(said["start"])
            _settle(self._born)
        elif event == "ready":
            _settle(self._ready)
        elif event == "refused":
            self._refused = str(said.get("why"))
        elif event == "end":
            end = said.get("end")
            self.free = said.get("free") is True
            if not self._end.done():
                self._end.set_result(end if isinstance(end, dict) else None)
        else:
            self._tell()

    def _lose(self) -> None:
        if self.lost:
            return
        self.lost = True
        self._loop.remove_reader(self._door.fileno())
        self._door.close()
        for waited in (self._born, self._ready):
            _settle(waited)
        if not self._end.done():
            self._end.set_result(None)


def _settle(waited: asyncio.Future[None]) -> None:
    if not waited.done():
        waited.set_result(None)


def _nobody() -> None:
    """Tell nobody."""
