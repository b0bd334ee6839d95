"""The local carrier: a `sh` of this machine, for servers that say `local: true`.

Built by `service`; `session` speaks over its channels.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Mapping
from typing import Final

from controller.errors import SessionLostError, TransportError, Unreachable
from controller.model.inventory import Server
from controller.transport.lent import LentSession
from controller.transport.session import RunnerSession, open_session

KEPT: Final = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG")
COMPLAINT: Final = 1024
PIPE_BYTES: Final = 1 << 18
LAST_WORDS: Final = 0.2


class ShellProtocol(asyncio.subprocess.SubprocessStreamProtocol):
    """Ends the stream when the shell ends: supervisors that outlive it keep its standard output open."""

    _shell: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the shell."""
        self._shell = transport
        super().connection_made(transport)

    def process_exited(self) -> None:
        """Give its last words a moment to arrive, then close."""
        super().process_exited()
        asyncio.get_running_loop().call_later(LAST_WORDS, self._end)

    def _end(self) -> None:
        if isinstance(self._shell, asyncio.SubprocessTransport):
            output = self._shell.get_pipe_transport(1)
            if output is not None:
                output.close()


class LocalChannel:
    """One `sh` of this machine."""

    def __init__(
        self, process: asyncio.subprocess.Process, transport: asyncio.SubprocessTransport
    ) -> None:
        self._process = process
        self._transport = transport
        self._said = bytearray()
        self._listening = asyncio.create_task(self._listen())

    async def read(self, limit: int) -> bytes:
        """Wait for bytes; none mean that the shell is gone."""
        assert self._process.stdout is not None  # noqa: S101 - made with a pipe
        return await self._process.stdout.read(limit)

    async def write(self, data: bytes) -> None:
        """Send bytes, waiting while the shell is slow."""
        assert self._process.stdin is not None  # noqa: S101 - made with a pipe
        try:
            self._process.stdin.write(data)
            await self._process.stdin.drain()
        except (ConnectionError, RuntimeError) as error:
            raise SessionLostError(
                f"cannot speak to the local shell: {error}", cause=Unreachable.LOST
            ) from error

    async def complaint(self) -> str:
        """Give the last kilobyte of what was said on standard error."""
        await asyncio.wait({self._listening}, timeout=0.5)
        return self._said.decode(errors="replace").strip()

    async def close(self) -> None:
        """End the shell; what it started detached goes on."""
        assert self._process.stdin is not None  # noqa: S101 - made with a pipe
        self._process.stdin.close()
        try:
            async with asyncio.timeout(2):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        self._transport.close()

    async def _listen(self) -> None:
        assert self._process.stderr is not None  # noqa: S101 - made with a pipe
        while data := await self._process.stderr.read(4096):
            self._said = (self._said + data)[-COMPLAINT:]


class LocalDialer:
    """Opens sessions with this machine, one for each server that stands for it."""

    def __init__(self, *, environment: Mapping[str, str], shell: str = "sh") -> None:
        self._environment = {name: environment[name] for name in KEPT if name in environment}
        self._shell = shell
        self._sessions: dict[tuple[str, bool], RunnerSession] = {}
        self._opening: dict[tuple[str, bool], asyncio.Lock] = {}

    async def open(self, server: Server) -> LentSession:
        """Start a runner on this machine.

        Raises:
            TransportError: there is none to be had; `cause` says why.
        """
        way = server.name, server.ssh.sudo
        async with self._opening.setdefault(way, asyncio.Lock()):
            session = self._sessions.get(way)
            if session is not None and not session.lost:
                return LentSession(session, keep)
            if session is not None:
                await session.close()
            self._sessions[way] = session = await self._start(server)
            return LentSession(session, keep)

    async def fresh(self, server: Server) -> LentSession:
        """Start a runner of one's own, which ends with the session.

        Raises:
            TransportError: there is none to be had; `cause` says why.
        """
        session = await self._start(server)
        return LentSession(session, session.close)

    async def close(self) -> None:
        """End every shell; work goes on."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()

    async def _start(self, server: Server) -> RunnerSession:
        return await open_session(
            lambda: self._channel(server),
            server=server.name,
            nonce=lambda: secrets.token_hex(8),
        )

    async def _channel(self, server: Server) -> LocalChannel:
        command = ("sudo", "-n", self._shell) if server.ssh.sudo else (self._shell,)
        loop = asyncio.get_running_loop()
        try:
            transport, protocol = await loop.subprocess_exec(
                lambda: ShellProtocol(limit=PIPE_BYTES, loop=loop),
                *command,
                env=self._environment,
                start_new_session=True,
            )
        except OSError as error:
            raise TransportError(
                f"cannot start {' '.join(command)} here: {error.strerror}",
                cause=Unreachable.SUDO if server.ssh.sudo else Unreachable.VERSION,
            ) from error
        return LocalChannel(asyncio.subprocess.Process(transport, protocol, loop), transport)


async def keep() -> None:
    """Take a session back: a shell of this machine costs nothing, it stays until the dialer closes."""
