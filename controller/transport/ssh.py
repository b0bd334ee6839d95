"""The ssh carrier: one connection to each server, shared, and channels with a `sh` on it.

Built by `service` when a server first needs it; `session` speaks over its channels. Everything that makes asyncssh
cheap is here: options made once, known hosts and keys parsed once, no ssh config, no ambient agent, AES-GCM, bytes.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import asyncssh

from controller.errors import SessionLostError, TransportError, Unreachable
from controller.model.inventory import Server
from controller.transport.causes import unreachable
from controller.transport.hostkeys import PinnedKeys
from controller.transport.login import Ambient, Login, Logins
from controller.transport.port import Session
from controller.transport.session import RunnerSession, open_session

CONNECT_SECONDS: Final = 10.0
LOGIN_SECONDS: Final = 20.0
KEEPALIVE_SECONDS: Final = 15.0
KEEPALIVE_COUNT: Final = 3
ENCRYPTION: Final = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes256-ctr")
EXCHANGE: Final = ("curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256")
JUMPS: Final = 8
"""Jump hosts in a row, at most."""
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
        """Re-arm TCP_QUICKACK, which the kernel forgets.

        Without it the first answer of a quiet server is late by our own delayed acknowledgement, 40 ms.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A connection with the session that runs on it."""

    connection: asyncssh.SSHClientConnection
    session: RunnerSession


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
    ) -> None:
        """Prepare; nothing is dialled yet.

        Args:
            keys: gives the private key of a secret's name.
            known_hosts: the pinned host keys, parsed here once.
            servers: all servers, for jump hosts.
            ambient: the person's own keys and agent, None in a daemon.
            nonce: gives fresh words for the runner's protocol.
            logins: logins at the same time; more makes servers' sshd refuse by MaxStartups on shared gateways.
        """
        self._pinned = PinnedKeys(known_hosts)
        self._logins = Logins(keys, ambient)
        self._servers = servers
        self._nonce = nonce
        self._room = asyncio.Semaphore(logins)
        self._lines: dict[str, asyncio.Task[Line]] = {}

    async def open(self, server: Server) -> Session:
        """Reach a server, over the connection that is already there if it is still good."""
        task = self._lines.get(server.name)
        if task is not None and task.done() and not self._good(task):
            task = None
        if task is None:
            task = asyncio.create_task(self._dial(server))
            self._lines[server.name] = task
        return (await asyncio.shield(task)).session

    @staticmethod
    def _good(task: "asyncio.Task[Line]") -> bool:
        if task.cancelled() or task.exception() is not None:
            return False
        line = task.result()
        return not line.connection.is_closed() and not line.session.lost

    async def _dial(self, server: Server) -> Line:
        async with self._room:
            connection = await self._connect(server, frozenset({server.name}))

            async def channel() -> SshChannel:
                return await self._channel(server, connection)

            try:
                session = await open_session(channel, server=server.name, nonce=self._nonce)
            except BaseException:
                connection.abort()
                raise
            return Line(connection=connection, session=session)

    async def _connect(self, server: Server, seen: frozenset[str]) -> asyncssh.SSHClientConnection:
        """Log in, through the jump host where one is declared."""
        login = self._logins.of(server)
        tunnel = await self._tunnel(server, seen)
        try:
            connection = await asyncssh.connect(
                server.address,
                server.ssh.port,
                tunnel=tunnel,
                options=self._options(server, login),
            )
        except (asyncssh.Error, OSError, ValueError) as error:
            if tunnel is not None:
                tunnel.abort()
            raise unreachable(server, error, tried=login.tried) from error
        return connection

    async def _tunnel(
        self, server: Server, seen: frozenset[str]
    ) -> asyncssh.SSHClientConnection | None:
        name = server.ssh.jump
        if name is None:
            return None
        if name in seen or len(seen) > JUMPS or name not in self._servers:
            raise TransportError(
                f"cannot reach {server.name}: its jump host {name} is not a server or jumps back",
                cause=Unreachable.TCP,
                hint="mend ssh: {jump: …}",
            )
        return await self._connect(self._servers[name], seen | {name})

    def _options(self, server: Server, login: Login) -> asyncssh.SSHClientConnectionOptions:
        options = asyncssh.SSHClientConnectionOptions(
            config=(),
            username=login.user,
            client_keys=list(login.keys) or None,
            agent_forwarding=False,
            known_hosts=self._pinned.of(server),
            preferred_auth=("publickey",),
            connect_timeout=CONNECT_SECONDS,
            login_timeout=LOGIN_SECONDS,
            keepalive_interval=KEEPALIVE_SECONDS,
            keepalive_count_max=KEEPALIVE_COUNT,
            encryption_algs=ENCRYPTION,
            kex_algs=EXCHANGE,
            compression_algs=("none",),
            gss_auth=False,
            gss_kex=False,
        )
        if login.agent is not None:
            # Given to the constructor without keys, an agent would bring the files of ~/.ssh along.
            options.client_keys = options.client_keys or []
            options.agent_path = login.agent
        return options

    async def _channel(
        self, server: Server, connection: asyncssh.SSHClientConnection
    ) -> SshChannel:
        """Start a `sh` on the connection, as root where `sudo` is declared."""
        command = "exec sudo -n sh" if server.ssh.sudo else "exec sh"
        try:
            process = await connection.create_process(
                command, encoding=None, request_pty=False, env=(), send_env=()
            )
        except (asyncssh.Error, OSError) as error:
            raise lost(server.name, error) from error
        return SshChannel(server.name, process)

    async def close(self) -> None:
        """Close every connection; work goes on."""
        tasks, self._lines = list(self._lines.values()), {}
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Line):
                await ended.session.close()
                ended.connection.close()
                await ended.connection.wait_closed()
