"""The ssh carrier: one session with each server, lent to all who ask, over channels with a `sh` on one connection.

Built by `service` when a server first needs it; it calls `connection`, and `session` speaks over its channels.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import asyncssh

from controller.errors import SessionLostError, TransportError, Unreachable
from controller.model.inventory import Server
from controller.transport.ambient import Ambient
from controller.transport.connection import Connections, Way, way_to
from controller.transport.hostkeys import PinnedKeys
from controller.transport.lent import LentSession
from controller.transport.login import Logins
from controller.transport.session import RunnerSession, open_session

IDLE: Final = 64
"""Connections that are kept although nobody uses them."""
COMPLAINT: Final = 1024
"""Bytes of standard error that are kept for messages."""


class SshChannel:
    """One `sh` on a connection, as the runner wants it."""

    def __init__(self, server: str, process: "asyncssh.SSHClientProcess[bytes]") -> None:
        self._server = server
        self._process = process
        self._socket: socket.socket | None = process.get_extra_info("socket")
        self._said = bytearray()
        self._listening = asyncio.create_task(self._listen())

    async def read(self, limit: int) -> bytes:
        """Wait for bytes; none mean that the other end is gone."""
        try:
            data: bytes = await self._process.stdout.read(limit)
        except (asyncssh.Error, OSError):
            return b""
        self._acknowledge_at_once()
        return data

    async def write(self, data: bytes) -> None:
        """Send bytes, waiting while the server is slow."""
        self._acknowledge_at_once()
        try:
            self._process.stdin.write(data)
            await self._process.stdin.drain()
        except (asyncssh.Error, OSError) as error:
            raise lost(self._server, error) from error

    async def complaint(self) -> str:
        """Give the end of what was said on standard error."""
        await asyncio.wait({self._listening}, timeout=0.5)
        return self._said.decode(errors="replace").strip()

    async def close(self) -> None:
        """Close the channel; what was started detached goes on."""
        self._process.close()
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)

    def _acknowledge_at_once(self) -> None:
        """Send the acknowledgement that the kernel may be holding back.

        Sshd keeps a second small packet until the first is acknowledged, and on a quiet connection the kernel takes
        40 ms for that. The option is forgotten each time, so it is set after each read and before each write.
        """
        option = getattr(socket, "TCP_QUICKACK", None)
        if self._socket is not None and option is not None and self._socket.fileno() >= 0:
            self._socket.setsockopt(socket.IPPROTO_TCP, option, 1)

    async def _listen(self) -> None:
        try:
            while data := await self._process.stderr.read(COMPLAINT):
                self._said += data
                del self._said[:-COMPLAINT]
        except (asyncssh.Error, OSError):
            return


def lost(server: str, error: Exception) -> SessionLostError:
    """Say that a connection broke."""
    return SessionLostError(
        f"lost the connection to {server}: {str(error) or type(error).__name__}",
        cause=Unreachable.LOST,
    )


@dataclass(slots=True)
class Shared:
    """A server's session and how many hold it now."""

    session: RunnerSession
    holders: int = 0


class SshDialer:
    """Opens sessions over ssh; at most one connection to each server, shared by all who ask."""

    def __init__(
        self,
        *,
        keys: Callable[[str], bytes],
        known_hosts: bytes,
        servers: Mapping[str, Server],
        ambient: Ambient | None,
        nonce: Callable[[], str],
        logins: int = 50,
        idle: int = IDLE,
    ) -> None:
        """Prepare; nothing is dialled yet.

        Args:
            keys: gives the private key of a secret's name.
            known_hosts: the pinned host keys, parsed here once.
            servers: all servers, for jump hosts.
            ambient: the person's own keys and agent, None in a daemon.
            nonce: gives fresh words for the runner's protocol.
            logins: logins at the same time; more makes servers' sshd refuse by MaxStartups on shared gateways.
            idle: connections that are kept although nobody uses them.
        """
        self._connections = Connections(
            PinnedKeys(known_hosts), Logins(keys, ambient), servers, at_once=logins
        )
        self._jumps = {server.ssh.jump for server in servers.values()}
        self._nonce = nonce
        self._idle_limit = idle
        self._opening: dict[Way, asyncio.Task[Shared]] = {}
        self._idle: dict[Way, Shared] = {}

    async def open(self, server: Server) -> LentSession:
        """Reach a server, over the session that is already there if it is still good.

        Raises:
            TransportError: it was not reached; `cause` says why.
        """
        way = way_to(server)
        task = self._opening.get(way)
        if task is None or (task.done() and not good(task)):
            task = asyncio.create_task(self._dial(server, task))
            task.add_done_callback(seen)
            self._opening[way] = task
        shared = await asyncio.shield(task)
        shared.holders += 1
        self._idle.pop(way, None)
        return LentSession(shared.session, lambda: self._take_back(way, shared))

    async def fresh(self, server: Server) -> LentSession:
        """Reach a server over a connection made now, which ends with the session.

        Raises:
            TransportError: it was not reached; `cause` says why.
        """
        connection = await self._connections.anew(server)

        async def hang_up() -> None:
            connection.close()
            await connection.wait_closed()

        async def channel() -> SshChannel:
            return await open_channel(server, connection)

        try:
            session = await open_session(channel, server=server.name, nonce=self._nonce)
        except BaseException:
            await hang_up()
            raise

        async def end() -> None:
            await session.close()
            await hang_up()

        return LentSession(session, end)

    async def close(self) -> None:
        """Close every connection; work goes on."""
        tasks, self._opening = list(self._opening.values()), {}
        self._idle.clear()
        await asyncio.gather(*(ended(task) for task in tasks))
        await self._connections.close()

    async def _dial(self, server: Server, before: "asyncio.Task[Shared] | None") -> Shared:
        if before is not None:
            await ended(before)
        connection = await self._connections.to(server)

        async def channel() -> SshChannel:
            return await open_channel(server, connection)

        try:
            session = await open_session(channel, server=server.name, nonce=self._nonce)
        except TransportError:
            if server.name not in self._jumps:
                await self._connections.hang_up(way_to(server))
            raise
        return Shared(session=session)

    async def _take_back(self, way: Way, shared: Shared) -> None:
        """Keep a session that nobody holds any more, and close the one that has idled longest if they are too many."""
        shared.holders -= 1
        task = self._opening.get(way)
        if shared.holders or task is None or not task.done() or not good(task):
            return
        if task.result() is shared and way[0] not in self._jumps:
            self._idle[way] = shared
        while len(self._idle) > self._idle_limit:
            oldest = next(iter(self._idle))
            del self._idle[oldest]
            await ended(self._opening.pop(oldest))
            await self._connections.hang_up(oldest)


async def open_channel(server: Server, connection: asyncssh.SSHClientConnection) -> SshChannel:
    """Start a `sh` on a connection, as root where `sudo` is declared.

    Raises:
        SessionLostError: the connection is gone or gives no channel.
    """
    command = "exec sudo -n sh" if server.ssh.sudo else "exec sh"
    try:
        process = await connection.create_process(
            command, encoding=None, request_pty=False, env=(), send_env=()
        )
    except (asyncssh.Error, OSError) as error:
        raise lost(server.name, error) from error
    return SshChannel(server.name, process)


def good(task: "asyncio.Task[Shared]") -> bool:
    """Say whether an opening has led to a session that is still there."""
    return not task.cancelled() and task.exception() is None and not task.result().session.lost


def seen(task: "asyncio.Task[Shared]") -> None:
    """Take note of a failure, so that nobody complains when all who waited have gone."""
    if not task.cancelled():
        task.exception()


async def ended(task: "asyncio.Task[Shared]") -> None:
    """End an opening, or close the session it has led to."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled() and task.exception() is None:
        await task.result().session.close()
