"""The way to one server: opens a session, and opens it again when it breaks.

Called by the drivers of this room; calls the dialer and writes the connectivity log when a server is (no longer)
reached. Work on the server goes on meanwhile, so what is asked again must be harmless to ask twice.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from controller.errors import SessionLostError, TransportError, Unreachable
from controller.jobs.ports import Equipment
from controller.model.inventory import Server
from controller.model.observation import ServerSeen
from controller.transport.port import Session

T = TypeVar("T")

PATIENCE: Final = 300.0
"""Seconds without an answer before running work is called lost."""
LONGEST_PAUSE: Final = 60.0
MESSAGE: Final = 500
"""Characters that are kept of why a server was not reached."""


class Reachability:
    """How each server was last seen, so that the connectivity log hears of changes only."""

    def __init__(self, equipment: Equipment) -> None:
        self._equipment = equipment
        self._told: dict[str, Unreachable | None] | None = None
        self._turn = asyncio.Lock()

    async def tell(self, server: str, error: TransportError | None) -> None:
        """Write a line when this differs from what was last seen of the server.

        A server that is not reached is kept as such, so that whoever looks next sees the change back.
        """
        cause = None if error is None else error.cause
        async with self._turn:
            told = await self._last_seen()
            if server in told and told[server] == cause:
                return
            told[server] = cause
        log, actor = self._equipment.connectivity, self._equipment.actor
        if error is None:
            await log.append("reached", actor, server=server)
            return
        message = error.message[:MESSAGE]
        await log.append("unreachable", actor, server=server, cause=error.cause, message=message)
        seen = ServerSeen(
            server=server,
            at=self._equipment.clock.now(),
            reached=False,
            cause=error.cause,
            message=message,
        )
        await self._equipment.store.observations.put_servers([seen])

    async def _last_seen(self) -> dict[str, Unreachable | None]:
        """Give the cause by server, None for one that was reached; those never seen are not there."""
        if self._told is None:
            seen = await self._equipment.store.observations.servers()
            self._told = {name: None if one.reached else one.cause for name, one in seen.items()}
        return self._told


class Link:
    """One job's way to its server."""

    def __init__(self, equipment: Equipment, server: Server, reachability: Reachability) -> None:
        self._equipment = equipment
        self._server = server
        self._reachability = reachability
        self._session: Session | None = None
        self._turn = asyncio.Lock()

    async def session(self) -> Session:
        """Give the open session, or open one.

        Raises:
            TransportError: the server is not reached.
        """
        async with self._turn:
            if self._session is None:
                try:
                    self._session = await self._equipment.dialer.open(self._server)
                except TransportError as error:
                    await self._reachability.tell(self._server.name, error)
                    raise
                await self._reachability.tell(self._server.name, None)
            return self._session

    async def through(self, act: Callable[[Session], Awaitable[T]]) -> T:
        """Do something harmless to repeat, with pauses of 1 to 60 seconds while the server does not answer.

        Raises:
            TransportError: it did not answer for `PATIENCE` seconds.
        """
        silent_since, tries = None, 0
        while True:
            began = self._equipment.clock.now()
            try:
                return await self._use(await self.session(), act)
            except TransportError as error:
                await self._reachability.tell(self._server.name, error)
                now = self._equipment.clock.now()
                if silent_since is None or (now - began).total_seconds() > LONGEST_PAUSE:
                    silent_since, tries = now, 0  # until now it worked
                elif (now - silent_since).total_seconds() >= PATIENCE:
                    raise
            await self._equipment.clock.sleep(self._pause(tries))
            tries += 1

    async def _use(self, session: Session, act: Callable[[Session], Awaitable[T]]) -> T:
        """Act on a session, and give it back when it turns out to be broken."""
        try:
            return await act(session)
        except SessionLostError:
            async with self._turn:
                if self._session is session:
                    self._session = None
                    await session.close()
            raise

    def _pause(self, tries: int) -> float:
        """Seconds to wait before try number `tries` (from 0), spread by the server's name so that not all call at once."""
        spread = zlib.crc32(self._server.name.encode()) / (1 << 32)
        longest = min(LONGEST_PAUSE, float(2 ** min(tries, 6)))
        return longest * (0.5 + spread / 2)

    async def close(self) -> None:
        """Give the session back; work goes on."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def leads_to(self, server: Server) -> bool:
        """Say whether this is the way to a server as it is declared there."""
        return self._server == server


class Links:
    """The ways to servers that an engine uses now: jobs of one server share one, and the last to leave closes it."""

    def __init__(self, equipment: Equipment) -> None:
        self._equipment = equipment
        self._reachability = Reachability(equipment)
        self._users: dict[str, list[tuple[Link, int]]] = {}

    @asynccontextmanager
    async def to(self, server: Server) -> AsyncIterator[Link]:
        """Give the way to a server for as long as it is used."""
        here = self._users.get(server.name, [])
        link, users = next(
            ((link, users) for link, users in here if link.leads_to(server)),
            (Link(self._equipment, server, self._reachability), 0),
        )
        self._count(server.name, link, users + 1)
        try:
            yield link
        finally:
            left = next(users for each, users in self._users[server.name] if each is link) - 1
            self._count(server.name, link, left)
            if not left:
                await link.close()

    def _count(self, server: str, link: Link, users: int) -> None:
        """Remember how many use a way."""
        here = [each for each in self._users.pop(server, []) if each[0] is not link]
        if users:
            here.append((link, users))
        if here:
            self._users[server] = here
