"""The listener: takes the agents that dial this controller, and helps new ones to a certificate.

Owned by whoever serves; `pull_dialer` opens sessions with the agents that are here. It calls `papers` and `peer`. Nothing a
stranger does keeps agents waiting: handshakes begin at a bounded rate, run beside the accepting, are bounded in number and in
time, and where there are too many the eldest of the busiest address goes.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from controller.clock import Clock
from controller.errors import ControllerError, StateError
from controller.transport.agents import causes
from controller.transport.agents.crowds import Crowds
from controller.transport.agents.line import AgentLine
from controller.transport.agents.papers import ALPN, ENROLMENT, Papers
from controller.transport.agents.patrol import Patrol
from controller.transport.agents.peer import AgentPeer, News
from controller.transport.agents.renewer import Renewer
from controller.wire.handshake import Identity
from controller.wire.messages.greetings import Goodbye
from controller.wire.messages.renewal import FEATURE
from controller.wire.messages.table import To

HANDSHAKE_SECONDS: Final = 10.0
SHUTDOWN_SECONDS: Final = 2.0
HANDSHAKES: Final = 512
"""At the same time."""
RATE: Final = 1000.0
"""Handshakes that begin in a second; others wait in the kernel, so that a storm leaves time for those who are here."""
BURST: Final = 50
"""Handshakes that may begin at once."""
BACKLOG: Final = 1024
ENROLMENTS: Final = 32
"""At the same time."""
ENROLMENT_BYTES: Final = 64 << 10

Enroller = Callable[[asyncio.StreamReader, asyncio.StreamWriter, str], Awaitable[None]]
"""Serves one connection that asks for a certificate: reader, writer and the other end's address; closes nothing."""


def unheard(_place: str, _why: str) -> None:
    """Hear nothing."""


def unnoticed(_name: str) -> None:
    """Notice nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What a listener tells to whom.

    `enroll` serves those who ask for a certificate; None refuses them. `news` records what agents say unasked. `refused` hears
    of connections that were not taken: from where, and why. `arrived` hears the name of each agent that connects. `renew` signs the
    next certificate of an agent that asks; None: agents are not told that they may.
    """

    enroll: Enroller | None = None
    news: News | None = None
    refused: Callable[[str, str], None] = field(default=unheard)
    arrived: Callable[[str], None] = field(default=unnoticed)
    renew: Renewer | None = None


class AgentListener:
    """Takes agents that dial.

    Args:
        papers: who we are: a controller.
        clock: for waiting, and for the times of heartbeats.
        instance: of this process; no other has it.
        cluster: the state that is acted on.
        lease: the number of the right to act on it; 0 claims none.
        hooks: who is told.
    """

    def __init__(
        self,
        papers: Papers,
        *,
        clock: Clock,
        instance: str,
        cluster: str = "",
        lease: int = 0,
        hooks: Hooks | None = None,
    ) -> None:
        self._papers = papers
        self._clock = clock
        self._instance = instance
        self._cluster = cluster
        self._lease = lease
        self._hooks = hooks or Hooks()
        self._doors: list[socket.socket] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._shaking: Crowds[asyncio.Task[None]] = Crowds(HANDSHAKES)
        self._handshakes: set[asyncio.Task[None]] = set()
        self._enrolling: set[asyncio.Task[None]] = set()
        self._peers: dict[str, AgentPeer] = {}
        self._patrol = Patrol(papers, clock, self._known)
        self.began = 0.0
        """By the loop's clock; agents have had no time to dial before."""

    @property
    def port(self) -> int:
        """Say where it listens."""
        found: int = self._doors[0].getsockname()[1]
        return found

    @property
    def here(self) -> tuple[str, ...]:
        """Name the agents that are connected."""
        return tuple(name for name, peer in self._peers.items() if peer.up)

    def _known(self) -> list[AgentPeer]:
        return list(self._peers.values())

    def peer(self, name: str) -> AgentPeer | None:
        """Give an agent that is here, or was."""
        return self._peers.get(name)

    async def start(self, host: str, port: int) -> None:
        """Listen on every address of a host.

        Raises:
            StateError: it cannot be listened there.
            ControllerError: there is no certificate of a controller.
        """
        self._papers.listening()
        loop = asyncio.get_running_loop()
        try:
            places = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            for family, _, _, _, place in dict.fromkeys(places):
                self._doors.append(door(family, place))
        except OSError as error:
            self._shut()
            raise StateError(
                f"cannot listen for agents on {host}:{port}: {error.strerror or error}"
            ) from error
        self.began = loop.time()
        self._tasks = [loop.create_task(self._accept(one)) for one in self._doors]
        self._patrol.start()

    async def close(self, *, restarting: bool = False) -> None:
        """Say goodbye to every agent and listen no more; their work goes on."""
        self._patrol.stop()
        tasks = [*self._tasks, *self._handshakes, *self._enrolling]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._shut()
        peers, self._peers = self._peers, {}
        for peer in peers.values():
            if restarting:
                peer.part(Goodbye(reason="restarting"))
        await asyncio.gather(*(peer.close() for peer in peers.values()))

    def _shut(self) -> None:
        for one in self._doors:
            one.close()
        self._doors.clear()

    async def _accept(self, one: socket.socket) -> None:
        """Take connections at a bounded rate, and wait for none of them."""
        loop = asyncio.get_running_loop()
        allowed, since = float(BURST), loop.time()
        while True:
            try:
                link, place = await loop.sock_accept(one)
            except OSError as error:  # such as too many open files: those who are here go on
                self._hooks.refused("", f"cannot accept: {error.strerror or error}")
                await self._clock.sleep(0.2)
                continue
            self._begin(link, str(place[0]))
            now = loop.time()
            allowed, since = min(BURST, allowed + (now - since) * RATE) - 1, now
            if allowed < 0:
                await self._clock.sleep(BURST / 2 / RATE)

    def _begin(self, link: socket.socket, place: str) -> None:
        """Begin a handshake beside the others; where there are too many, the eldest of the busiest address goes."""
        task = asyncio.get_running_loop().create_task(self._shake(link, place))
        out = self._shaking.enter(task, place)
        if out is not None:
            out.cancel()
        self._handshakes.add(task)
        task.add_done_callback(lambda done: self._shaken(done, link, place))

    def _shaken(self, task: asyncio.Task[None], link: socket.socket, place: str) -> None:
        if task.cancelled():
            link.close()  # of one that never began, too
        self._shaking.leave(task, place)
        self._handshakes.discard(task)

    async def _shake(self, link: socket.socket, place: str) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: AgentLine(lambda line: self._met(line, place)),
                link,
                ssl=self._papers.listening(),
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=SHUTDOWN_SECONDS,
            )
        except (OSError, ControllerError) as error:
            link.close()
            self._hooks.refused(place, f"no handshake: {causes.reason_of(error).words}")

    def _met(self, line: AgentLine, place: str) -> None:
        """See who it is."""
        try:
            self._welcome(line, place)
        except (OSError, ControllerError) as error:
            line.close()
            self._hooks.refused(place, str(error))

    def _welcome(self, line: AgentLine, place: str) -> None:
        """Hand a connection to who speaks what it speaks."""
        if line.protocol == ENROLMENT:
            self._enroll(line, place)
        elif line.protocol == ALPN:
            found = self._papers.agent(line.certificate)
            line.serial = found.serial
            if found.name not in self._peers:
                self._peers[found.name] = AgentPeer(
                    found.name,
                    self._me(),
                    clock=self._clock,
                    news=self._hooks.news,
                    renew=self._hooks.renew,
                )
            self._peers[found.name].carry(line)
            self._hooks.arrived(found.name)
        else:
            line.close()
            self._hooks.refused(place, "it speaks neither the agent protocol nor enrolment")

    def _me(self) -> Identity:
        return Identity(
            side=To.CONTROLLER,
            name=self._papers.own.name,
            instance=self._instance,
            cluster=self._cluster,
            lease=self._lease,
            features=() if self._hooks.renew is None else (FEATURE,),
        )

    def _enroll(self, line: AgentLine, place: str) -> None:
        enroll = self._hooks.enroll
        if enroll is None or len(self._enrolling) >= ENROLMENTS:
            line.close()
            why = "nobody enrols here" if enroll is None else "too many enrol at once"
            self._hooks.refused(place, why)
            return
        reader, writer = line.streams(ENROLMENT_BYTES)
        serving = self._serve(enroll, reader, writer, place)
        task = asyncio.get_running_loop().create_task(serving)
        self._enrolling.add(task)
        task.add_done_callback(self._enrolling.discard)

    async def _serve(
        self,
        enroll: Enroller,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        place: str,
    ) -> None:
        """Let the enroller speak over a connection, and close it."""
        try:
            await enroll(reader, writer, place)
        except (OSError, ControllerError, asyncio.IncompleteReadError) as error:
            self._hooks.refused(place, f"enrolment: {error}")
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def door(family: int, place: tuple[object, ...]) -> socket.socket:
    """Open a socket that listens.

    Raises:
        OSError: it cannot.
    """
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # Connections inherit it: a small answer would else wait 40 ms for the one before to be acknowledged.
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        one.setblocking(False)
        one.bind(place)
        one.listen(BACKLOG)
    except BaseException:
        one.close()
        raise
    return one
