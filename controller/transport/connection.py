"""Ssh connections: at most one to each server, shared; the socket, the jump hosts before it, the login.

Called by `ssh`; the only call of `asyncssh.connect` is here. No ssh config, no key and no agent but those a login names,
pinned host keys, keepalive, bytes.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import asyncssh

from controller.errors import TransportError, Unreachable
from controller.model.inventory import Server, Ssh
from controller.transport.causes import unreachable
from controller.transport.hostkeys import PinnedKeys
from controller.transport.login import Login, Logins
from controller.transport.tcp import connect_tcp

LOGIN_SECONDS: Final = 20.0
AGENT_SECONDS: Final = 10.0
KEEPALIVE_SECONDS: Final = 15.0
KEEPALIVE_COUNT: Final = 3
JUMPS: Final = 8
"""Jump hosts in a row, at most."""

OPTIONS: Final[Mapping[str, object]] = {
    # None, and not an empty tuple, which means "look into ~/.ssh" to asyncssh.
    "config": None,
    "agent_path": None,
    "x509_trusted_certs": None,
    "x509_trusted_cert_paths": None,
    "agent_forwarding": False,
    "preferred_auth": ("publickey",),
    "login_timeout": LOGIN_SECONDS,
    "keepalive_interval": KEEPALIVE_SECONDS,
    "keepalive_count_max": KEEPALIVE_COUNT,
    "encryption_algs": ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes256-ctr"),
    "kex_algs": ("curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256"),
    "compression_algs": ("none",),
    "gss_auth": False,
    "gss_kex": False,
}

Offer = asyncssh.SSHKey | asyncssh.SSHKeyPair

Way = tuple[str, str, Ssh]
"""A server by its name and how it is reached: work left from before may know the same name at another address."""


def way_to(server: Server) -> Way:
    """Say what makes two declarations of a server the same one to us."""
    return server.name, server.address, server.ssh


class Connections:
    """Logs in to servers and keeps what it has, one connection each."""

    def __init__(
        self, pinned: PinnedKeys, logins: Logins, servers: Mapping[str, Server], *, at_once: int
    ) -> None:
        self._pinned = pinned
        self._logins = logins
        self._servers = servers
        self._room = asyncio.Semaphore(at_once)
        self._dialled: dict[Way, asyncio.Task[asyncssh.SSHClientConnection]] = {}

    async def to(
        self, server: Server, *, before: tuple[str, ...] = ()
    ) -> asyncssh.SSHClientConnection:
        """Give the connection to a server: the one there is, or a new one.

        Args:
            server: the server.
            before: the servers that are being reached through it.

        Raises:
            TransportError: it was not reached; `cause` says why.
        """
        way = way_to(server)
        task = self._dialled.get(way)
        if task is None or (task.done() and not good(task)):
            task = asyncio.create_task(self._dial(server, before))
            task.add_done_callback(seen)
            self._dialled[way] = task
        return await asyncio.shield(task)

    async def anew(self, server: Server) -> asyncssh.SSHClientConnection:
        """Make one more connection to a server, which whoever asked closes; jump hosts are gone through as they are.

        Raises:
            TransportError: it was not reached; `cause` says why.
        """
        return await self._dial(server, ())

    async def hang_up(self, way: Way) -> None:
        """Close the connection to a server."""
        task = self._dialled.pop(way, None)
        if task is not None:
            await ended(task)

    async def close(self) -> None:
        """Close every connection, those of jump hosts last."""
        tasks, self._dialled = list(self._dialled.values()), {}
        for task in reversed(tasks):
            await ended(task)

    async def _dial(self, server: Server, before: tuple[str, ...]) -> asyncssh.SSHClientConnection:
        login = await self._logins.of(server)
        tunnel = await self._tunnel(server, (*before, server.name))
        try:
            async with self._room, offered(login) as keys:
                link = (
                    await connect_tcp(server.address, server.ssh.port) if tunnel is None else None
                )
                return await self._log_in(server, login.user, keys, tunnel, link)
        except (asyncssh.Error, OSError, ValueError) as error:
            raise unreachable(server, error, tried=login.tried) from error

    async def _log_in(
        self,
        server: Server,
        user: str,
        keys: list[Offer],
        tunnel: asyncssh.SSHClientConnection | None,
        link: socket.socket | None,
    ) -> asyncssh.SSHClientConnection:
        try:
            async with asyncio.timeout(LOGIN_SECONDS):
                return await asyncssh.connect(
                    server.address,
                    server.ssh.port,
                    tunnel=tunnel or (),
                    sock=link,
                    username=user,
                    client_keys=keys or None,
                    known_hosts=self._pinned.of(server),
                    **OPTIONS,
                )
        except BaseException:
            if link is not None:
                link.close()  # it may have failed before the socket was its own
            raise

    async def _tunnel(
        self, server: Server, before: tuple[str, ...]
    ) -> asyncssh.SSHClientConnection | None:
        """Give the connection to the jump host, which is shared by all who go through it."""
        name = server.ssh.jump
        if name is None:
            return None
        if name in before or len(before) > JUMPS or name not in self._servers:
            raise TransportError(
                f"cannot reach {server.name}: its jump host {name} is not a server or jumps back",
                cause=Unreachable.TCP,
                hint="mend ssh: {jump: …}",
            )
        return await self.to(self._servers[name], before=before)


@asynccontextmanager
async def offered(login: Login) -> AsyncIterator[list[Offer]]:
    """Give the keys of a login, and of its agent as long as it is asked to sign."""
    keys: list[Offer] = list(login.keys)
    if login.agent is None:
        yield keys
        return
    try:
        async with asyncio.timeout(AGENT_SECONDS):
            agent = await asyncssh.connect_agent(login.agent)
            held = await agent.get_keys()
    except (OSError, ValueError) as error:
        if not keys:
            raise TransportError(
                f"cannot log in as {login.user}: the ssh agent does not answer: {error}",
                cause=Unreachable.AUTH,
                hint="start it and add the key: ssh-add",
            ) from error
        yield keys
        return
    async with agent:
        yield [*held, *keys]


def good(task: "asyncio.Task[asyncssh.SSHClientConnection]") -> bool:
    """Say whether a dial has led to a connection that is still there."""
    return not task.cancelled() and task.exception() is None and not task.result().is_closed()


def seen(task: "asyncio.Task[asyncssh.SSHClientConnection]") -> None:
    """Take note of a failure, so that nobody complains when all who waited have gone."""
    if not task.cancelled():
        task.exception()


async def ended(task: "asyncio.Task[asyncssh.SSHClientConnection]") -> None:
    """End a dial, or the connection it has led to."""
    task.cancel()
    await asyncio.wait({task})
    if good(task):
        task.result().close()
        await task.result().wait_closed()
