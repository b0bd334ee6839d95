"""Taking those who dial: sockets that listen, handshakes beside each other, and nobody who keeps another one out.

`daemon` calls it; it calls `lobby`, `line`, `peer`, and hands whoever is accepted to `pump`. The accept loop never waits: a
handshake that is slow, garbage or silent has `HANDSHAKE` seconds, or fewer where others wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import resource
import socket

from controller.agent.errors import AgentError
from controller.agent.line import Line, tune, words_of
from controller.agent.lobby import MOST, SILENT, Lobby
from controller.agent.log import Log
from controller.agent.meeting import meet
from controller.agent.peer import SERVED, PeerError
from controller.agent.pump import Pump
from controller.agent.tls import ALPN, Credentials
from controller.agent.values import Address
from controller.wire.limits import LIMITS
from controller.wire.link import Link
from controller.wire.messages.greetings import Goodbye

HANDSHAKE = 10.0
BACKLOG = 1024
BATCH = 32
"""Connections taken before others get their turn."""
REST = 0.1
"""Seconds without accepting when there are no descriptors."""
SHORTEST = 0.005
DESCRIPTORS = 4
"""Of that many descriptors, one is for a handshake."""
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Doors:
    """Listens for controllers and people.

    Args:
        credentials: what is shown, and who is trusted.
        pump: takes those who are accepted.
        log: is told of all others.
    """

    def __init__(self, credentials: Credentials, pump: Pump, log: Log) -> None:
        self._credentials = credentials
        self._pump = pump
        self._log = log
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._lobby: Lobby[Line] = Lobby(max(4, min(MOST, descriptors // DESCRIPTORS)))
        self._addresses: dict[Line, str] = {}
        self._late: dict[Line, asyncio.TimerHandle] = {}
        self._listeners: list[socket.socket] = []
        self._making: set[asyncio.Task[None]] = set()
        self._again: asyncio.TimerHandle | None = None
        self._reserve = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    async def open(self, address: Address) -> list[str]:
        """Listen; give where.

        Raises:
            AgentError: the address is not here, or taken.
        """
        loop = asyncio.get_running_loop()
        try:
            host = address.host.encode("ascii")  # as text it would load the tables of Unicode
            found = await loop.getaddrinfo(
                host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
            for family, kind, _, _, place in dict.fromkeys(found):
                self._listeners.append(_listen(family, kind, place))
        except OSError as error:
            raise AgentError(f"cannot listen on {address}: {words_of(error)}") from error
        self._accepting()
        return [_place(one.getsockname()) for one in self._listeners]

    def close(self) -> None:
        """Take nobody any more, and drop who is not accepted yet."""
        if self._again is not None:
            self._again.cancel()
        self._stop_accepting()
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        for line in list(self._addresses):
            line.abort()
        for task in self._making:
            task.cancel()
        os.close(self._reserve)

    # accepting

    def _accepting(self) -> None:
        self._again = None
        for listener in self._listeners:
            asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _stop_accepting(self) -> None:
        for listener in self._listeners:
            asyncio.get_running_loop().remove_reader(listener)

    def _pause(self, seconds: float) -> None:
        """Let the others wait in the kernel's queue, then see who has to go for them."""
        self._stop_accepting()
        if self._again is None:
            self._again = asyncio.get_running_loop().call_later(seconds, self._relieve)

    def _relieve(self) -> None:
        """Send away those whose patience is over, and go on; by now everything that came was read."""
        self._again = None
        now = asyncio.get_running_loop().time()
        for line in self._lobby.overdue(now, BATCH):
            self._send_away(line, "others wait, and its handshake does not end")
        due = self._lobby.next_due()
        if self._lobby.full:
            self._pause(SILENT if due is None else max(due - now, SHORTEST))
        else:
            self._accepting()

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(BATCH):
            if self._lobby.full:
                self._pause(SILENT)
                return
            try:
                plain, place = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._starved(listener, error)
                return
            self._take(plain, place)

    def _starved(self, listener: socket.socket, error: OSError) -> None:
        """Go on without descriptors: those of handshakes first, else with the one that was kept for this."""
        self._log.often("accepting", f"cannot accept a connection: {words_of(error)}")
        if error.errno in EXHAUSTED and len(self._lobby):
            self._pause(SILENT)
            return
        if error.errno in EXHAUSTED:
            os.close(self._reserve)
            with contextlib.suppress(OSError):  # it was told, and there may be nobody any more
                listener.accept()[0].close()
            self._reserve = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._pause(REST)

    def _take(self, plain: socket.socket, place: tuple[object, ...]) -> None:
        loop = asyncio.get_running_loop()
        line = Line(self._credentials.context, _place(place), self)
        address = _neighbourhood(str(place[0]))
        self._addresses[line] = address
        self._lobby.enter(line, address)
        self._late[line] = loop.call_later(
            HANDSHAKE, self._send_away, line, f"no handshake in {HANDSHAKE:.0f} s"
        )
        task = loop.create_task(self._start(line, plain))
        self._making.add(task)
        task.add_done_callback(lambda done: self._made(done, plain))

    def _made(self, task: asyncio.Task[None], plain: socket.socket) -> None:
        if task.cancelled():
            plain.close()  # of one that never began, too
        self._making.discard(task)

    async def _start(self, line: Line, plain: socket.socket) -> None:
        try:
            plain.setblocking(False)
            tune(plain)
            await asyncio.get_running_loop().connect_accepted_socket(lambda: line, plain)
        except OSError as error:
            plain.close()
            self.gone(line, words_of(error))

    # handshakes

    def met(self, line: Line) -> None:
        """See who it is."""
        self._left(line)
        try:
            self._pump.take(line, meet(line, SERVED, self._credentials))
        except PeerError as error:
            self._log.often("refusals", f"cannot accept {line.where}: {error.message}")
            if line.alpn == ALPN:
                line.write(_no_more(error.message))  # else it would look like a broken network
            line.close()

    def came(self, line: Line, data: bytes) -> None:
        """Drop what comes before the handshake is over: there is nothing."""

    def eased(self, line: Line) -> None:
        """Nothing waits to be written."""

    def gone(self, line: Line, why: str) -> None:
        """Note that somebody went before he was accepted."""
        if self._left(line):
            self._log.often("handshakes", f"cannot accept {line.where}: {why or 'it hung up'}")

    def _send_away(self, line: Line, because: str) -> None:
        if self._left(line):
            self._log.often("handshakes", f"cannot accept {line.where}: {line.why or because}")
        line.abort()

    def _left(self, line: Line) -> bool:
        """Note that a handshake is over, in whatever way."""
        timer = self._late.pop(line, None)
        if timer is not None:
            timer.cancel()
        waited = self._lobby.leave(line, self._addresses.pop(line, ""))
        if waited and self._again is not None and not self._lobby.full:
            self._again.cancel()
            self._accepting()
        return waited


def _no_more(why: str) -> bytes:
    """Make the only words for somebody whose certificate is not accepted."""
    link = Link(LIMITS, asyncio.get_running_loop().time())
    link.close(Goodbye(reason="revoked", message=why), say=True)
    return link.take()


def _listen(family: int, kind: int, place: tuple[object, ...]) -> socket.socket:
    listener = socket.socket(family, kind)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.setblocking(False)
        listener.bind(place)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _place(place: tuple[object, ...]) -> str:
    host, port = str(place[0]), place[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _neighbourhood(host: str) -> str:
    """Give what one stranger may own: an address, of IPv6 the first half."""
    if ":" not in host:
        return host
    packed = socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    return packed[:8].hex()
