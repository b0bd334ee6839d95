"""The carrier of agents that wait to be dialled: one connection with each, shared by all who ask.

Built by `service` when a server first needs it; it calls `peer` for each agent and `papers` for who we are.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Final

from controller.clock import Clock
from controller.errors import ControllerError, RefusedError, TransportError, Unreachable
from controller.model.inventory import Server
from controller.transport.agents import causes
from controller.transport.agents.line import AgentLine
from controller.transport.agents.papers import ALPN, Papers
from controller.transport.agents.patrol import Patrol
from controller.transport.agents.peer import AgentPeer, News
from controller.transport.agents.renewer import Renewer
from controller.transport.agents.session import AgentSession
from controller.transport.tcp import CONNECT_SECONDS, connect_tcp
from controller.wire.handshake import Identity
from controller.wire.messages.renewal import FEATURE
from controller.wire.messages.table import To

TLS_SECONDS: Final = 10.0
SHUTDOWN_SECONDS: Final = 2.0
IDLE: Final = 256
"""Agents that stay connected although nobody uses them."""

Way = tuple[str, str, int]
"""A server by its name and where its agent listens."""


def way_to(server: Server) -> Way:
    """Say what makes two declarations of a server the same one to us."""
    return server.name, server.address, server.agent.port


class AgentDialer:
    """Opens sessions with agents that listen.

    Args:
        papers: who we are; looked at when first needed.
        clock: for waiting, and for the times of heartbeats.
        instance: gives a word that no other process gives, for each peer.
        cluster: the state that is acted on.
        lease: the number of the right to act on it; 0 claims none.
        dials: at the same time.
        idle: agents that stay connected although nobody uses them.
        news: records what agents say unasked.
        renew: signs the next certificate of an agent that asks; None: agents are not told that they may.
    """

    def __init__(
        self,
        papers: Papers,
        *,
        clock: Clock,
        instance: Callable[[], str],
        cluster: str = "",
        lease: int = 0,
        dials: int = 50,
        idle: int = IDLE,
        news: News | None = None,
        renew: Renewer | None = None,
    ) -> None:
        self._papers = papers
        self._clock = clock
        self._instance = instance
        self._cluster = cluster
        self._lease = lease
        self._room = asyncio.Semaphore(dials)
        self._idle_limit = idle
        self._news = news
        self._renew = renew
        self._opening: dict[Way, asyncio.Task[AgentPeer]] = {}
        self._idle: dict[Way, AgentPeer] = {}
        self._alone: set[AgentPeer] = set()
        self._patrol = Patrol(papers, clock, self._peers)

    async def open(self, server: Server) -> AgentSession:
        """Reach an agent, over the connection that is already there if it is still good.

        Raises:
            TransportError: it was not reached; `cause` says why.
        """
        way = way_to(server)
        task = self._opening.get(way)
        if task is None or (task.done() and not good(task)):
            task = asyncio.create_task(self._reach(server))
            task.add_done_callback(seen)
            self._opening[way] = task
        peer = await asyncio.shield(task)
        self._idle.pop(way, None)
        if not peer.up:  # it is being dialled again
            peer.holders += 1
            try:
                await self._again(peer)
            finally:
                peer.holders -= 1
        return AgentSession(peer, lambda: self._take_back(way, peer))

    async def fresh(self, server: Server) -> AgentSession:
        """Reach an agent over a connection made now, which ends with the session.

        Raises:
            TransportError: it was not reached; `cause` says why.
        """
        peer = await self._reach(server)
        self._alone.add(peer)

        async def end() -> None:
            self._alone.discard(peer)
            await peer.close()

        return AgentSession(peer, end)

    async def close(self) -> None:
        """Close every connection; work goes on."""
        self._patrol.stop()
        tasks, self._opening = list(self._opening.values()), {}
        alone, self._alone = self._alone, set()
        self._idle.clear()
        await asyncio.gather(*(ended(task) for task in tasks), *(one.close() for one in alone))

    def _peers(self) -> list[AgentPeer]:
        shared = [task.result() for task in self._opening.values() if task.done() and good(task)]
        return [*shared, *self._alone]

    async def _reach(self, server: Server) -> AgentPeer:
        """Dial an agent and greet it."""
        line = await self._dial(server)
        own = self._papers.own
        me = Identity(
            side=To.CONTROLLER,
            name=own.name,
            instance=self._instance(),
            cluster=self._cluster,
            lease=self._lease,
            features=() if self._renew is None else (FEATURE,),
        )
        peer = AgentPeer(
            server.name,
            me,
            clock=self._clock,
            where=place_of(server),
            redial=lambda: self._dial(server),
            news=self._news,
            renew=self._renew,
        )
        try:
            await peer.attach(line)
        except BaseException:
            await peer.close()
            raise
        self._patrol.start()
        return peer

    async def _again(self, peer: AgentPeer) -> None:
        """Wait for an agent that is dialled again, as long as a first dial would take."""
        if not await peer.greeted(within=CONNECT_SECONDS + TLS_SECONDS) or peer.talk.over:
            raise TransportError(
                f"cannot reach {peer.name} ({peer.where}): its agent was lost, and is not back",
                cause=Unreachable.LOST,
            )

    async def _dial(self, server: Server) -> AgentLine:
        """Make a connection with exactly this server's agent.

        Raises:
            TransportError: it was not made; `cause` says why.
        """
        where = place_of(server)
        try:
            context = self._papers.dialling()
        except ControllerError as error:
            raise causes.unready(server.name, error) from error
        try:
            async with self._room:
                line = await shake_hands(
                    await connect_tcp(server.address, server.agent.port), server, context
                )
            try:
                check(line, server, self._papers)
            except BaseException:
                line.abort()
                raise
        except RefusedError as error:
            raise causes.refused(server.name, where, error) from error
        except (OSError, ValueError) as error:
            raise causes.unreachable(server.name, where, error) from error
        return line

    async def _take_back(self, way: Way, peer: AgentPeer) -> None:
        """Keep an agent that nobody uses any more, and leave the one that has idled longest if they are too many."""
        task = self._opening.get(way)
        if peer.holders or task is None or not task.done() or not good(task):
            return
        if task.result() is peer:
            self._idle[way] = peer
        while len(self._idle) > self._idle_limit:
            oldest = next(iter(self._idle))
            del self._idle[oldest]
            await ended(self._opening.pop(oldest))


async def shake_hands(link: socket.socket, server: Server, context: ssl.SSLContext) -> AgentLine:
    """Begin TLS on a connection; the other end has to carry the server's name.

    Raises:
        OSError: it does not, or does not answer in time.
    """
    try:
        async with asyncio.timeout(TLS_SECONDS):
            _, line = await asyncio.get_running_loop().create_connection(
                AgentLine,
                sock=link,
                ssl=context,
                server_hostname=server.name,
                ssl_shutdown_timeout=SHUTDOWN_SECONDS,
            )
    except BaseException:
        link.close()
        raise
    return line


def check(line: AgentLine, server: Server, papers: Papers) -> None:
    """See that the other end is the agent of this server and speaks its protocol.

    Raises:
        TransportError: it does not.
        RefusedError: it is another.
    """
    if line.protocol != ALPN:
        reason = causes.ALERTS["APPLICATION_PROTOCOL"]
        raise causes.said(server.name, place_of(server), reason)
    found = papers.agent(line.certificate)
    if found.name != server.name:
        raise RefusedError(f"it is of {found.name}")
    line.serial = found.serial


def place_of(server: Server) -> str:
    """Say where an agent listens."""
    return f"{server.address}:{server.agent.port}"


def good(task: "asyncio.Task[AgentPeer]") -> bool:
    """Say whether an opening has led to an agent that is still there, or may come back."""
    return not task.cancelled() and task.exception() is None and not task.result().talk.over


def seen(task: "asyncio.Task[AgentPeer]") -> None:
    """Take note of a failure, so that nobody complains when all who waited have gone."""
    if not task.cancelled():
        task.exception()


async def ended(task: "asyncio.Task[AgentPeer]") -> None:
    """End an opening, or the connection it has led to."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled() and task.exception() is None:
        await task.result().close()
