"""Who talks to an agent: a real TLS client of the agent protocol, for tests of the daemon and of what stands behind it.

    async with dial(port, who(place, "main")) as peer:
        reply = await peer.ask(GetPool())

A `Caller` is one process of a controller or a person; it may be connected again as often as a test likes, and its session
is resumed. `Hall` is a controller that agents dial.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from controller.pki.contexts import Identity as Certificate, client_context, server_context
from controller.wire.events import (
    Beat,
    Closed,
    Event,
    Notified,
    Opened,
    Replied,
    Reset,
    StreamCancelled,
    StreamData,
    StreamEnded,
    StreamOpened,
    StreamRoom,
)
from controller.wire.handshake import Identity
from controller.wire.limits import LIMITS, Limits
from controller.wire.link import Link
from controller.wire.messages.greetings import Facts, Goodbye, HostState
from controller.wire.messages.table import BY_RECORD, Flow, To
from controller.wire.session import Session
from tests.pki.place import Place

AGENT = "web-1"
ALPN = "ctl/1"
PATIENCE = 10.0
_INSTANCES = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """A certificate, and whom its holder trusts."""

    name: str
    certificate: Certificate | None
    trust: Path


def who(place: Place, name: str) -> Who:
    """Give a holder of a certificate of an authority."""
    return Who(name=name, certificate=place.identity(name), trust=place.trust)


class LostError(Exception):
    """The session was reset: nobody knows what became of a request."""


@dataclass
class Flowing:
    """One stream, as the controller's side sees it."""

    caller: Caller
    number: int
    opening: object
    data: bytearray = field(default_factory=bytearray)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    ended: StreamEnded | None = None
    cancelled: StreamCancelled | None = None
    grants: bool = True

    @property
    def over(self) -> bool:
        return self.ended is not None or self.cancelled is not None

    async def whole(self) -> bytes:
        """Read to the end."""
        await self.caller.until(lambda: self.over)
        assert self.cancelled is None, self.cancelled
        return bytes(self.data)

    async def write(self, data: bytes) -> None:
        """Send bytes as the reader grants them."""
        session = self.caller.session
        sent = 0
        while sent < len(data):
            await self.caller.until(lambda: session.room(self.number) > 0 or self.over)
            assert not self.over, self.cancelled
            piece = data[sent : sent + session.room(self.number)]
            session.send(self.number, piece)
            sent += len(piece)
            self.caller.flush()

    def end(self, **more: object) -> None:
        """Say that all is sent."""
        self.caller.session.end(self.number, **more)  # type: ignore[arg-type]
        self.caller.flush()


class Caller:
    """One process that talks to one agent."""

    def __init__(
        self,
        me: Who,
        *,
        agent: str = AGENT,
        cluster: str = "",
        lease: int = 0,
        instance: str | None = None,
        limits: Limits = LIMITS,
    ) -> None:
        self.who = me
        self.session = Session(
            Identity(
                side=To.CONTROLLER,
                name=me.name,
                instance=instance or f"{me.name}-{next(_INSTANCES)}",
                cluster=cluster,
                lease=lease,
                limits=limits,
            ),
            agent,
        )
        self.opened: list[Opened] = []
        self.beats: list[HostState] = []
        self.news: list[object] = []
        self.goodbyes: list[Goodbye] = []
        self.resets: list[Reset] = []
        self.streams: dict[int, Flowing] = {}
        self.serve: Callable[[Flowing], None] | None = None
        """What is done with streams that the agent opens."""
        self._asked: dict[int, asyncio.Future[object]] = {}
        self._changed = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None
        self._link: Link | None = None
        self._timer: asyncio.TimerHandle | None = None

    # what tests say

    @property
    def facts(self) -> Facts:
        """What the agent says of its machine."""
        facts = self.opened[-1].facts
        assert facts is not None
        return facts

    async def ask(self, message: object) -> object:
        """Ask; give the reply."""
        return await asyncio.wait_for(self.asking(message), PATIENCE)

    def asking(self, message: object) -> asyncio.Future[object]:
        """Ask; the reply comes later, over whatever connection."""
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._asked[self.session.request(message)] = answer
        self.flush()
        return answer

    def notify(self, message: object) -> None:
        """Say what needs no answer."""
        self.session.notify(message)
        self.flush()

    def open(self, message: object, *, grants: bool = True) -> Flowing:
        """Open a stream; what it is read for is granted as it comes, unless told otherwise."""
        number = self.session.open(message)
        flowing = Flowing(self, number, message, grants=grants)
        self.streams[number] = flowing
        if BY_RECORD[type(message)].flow is Flow.READ and grants:
            self.session.grant(number, self.session.me.limits.credit)
        self.flush()
        return flowing

    async def until(self, true: Callable[[], bool], seconds: float = PATIENCE) -> None:
        """Wait until something is so, looking after every event."""

        async def watch() -> None:
            while not true():
                self._changed.clear()
                await self._changed.wait()

        await asyncio.wait_for(watch(), seconds)

    # connections

    @contextlib.asynccontextmanager
    async def connected(
        self, port: int, *, alpn: str = ALPN, greet: bool = True
    ) -> AsyncIterator[Caller]:
        """Be connected meanwhile; `greet` waits for the agent's welcome."""
        context = client_context(self.who.certificate, trust=self.who.trust, alpn=[alpn])
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname=self.session.peer
        )
        before, left = len(self.opened), len(self.goodbyes)
        async with self.over(reader, writer):
            if greet:
                await self.until(lambda: len(self.opened) > before or len(self.goodbyes) > left)
            yield self

    @contextlib.asynccontextmanager
    async def over(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> AsyncIterator[None]:
        """Talk over a connection, whoever dialled it."""
        self._writer = writer
        self._link = link = self.session.connect(asyncio.get_running_loop().time())
        reading = asyncio.ensure_future(self._read(reader, writer, link))
        self.flush()
        try:
            yield
        finally:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading
            if self._writer is writer:
                self._writer = None
            if self._timer is not None:
                self._timer.cancel()
            self._heed(self.session.lost(link))
            await _close(writer)

    def cut(self) -> None:
        """Break the connection off, without a word."""
        assert self._writer is not None
        self._writer.transport.abort()

    def leave(self) -> None:
        """Say goodbye."""
        self._heed(self.session.close(Goodbye(reason="closing")))
        self.flush()

    def flush(self) -> None:
        """Write what there is to write."""
        if self._writer is None or self._link is None or self._writer.is_closing():
            return
        while data := self._link.take():
            self._writer.write(data)
        self._arm()

    async def _read(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: Link
    ) -> None:
        data = b"?"
        while data:
            try:
                data = await reader.read(1 << 16)
            except OSError:
                data = b""
            now = asyncio.get_running_loop().time()
            self._heed(self.session.receive(link, data, now) if data else self.session.lost(link))
            self.flush()
            if link.closed is not None:
                writer.close()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        due = self.session.deadline()
        if due is not None:
            self._timer = asyncio.get_running_loop().call_at(due, self._tick)

    def _tick(self) -> None:
        self._heed(self.session.tick(asyncio.get_running_loop().time()))
        self.flush()

    # events

    def _heed(self, events: list[Event]) -> None:
        for event in events:
            self._note(event)
        self._changed.set()

    def _note(self, event: Event) -> None:
        match event:
            case Opened():
                self.opened.append(event)
            case Beat():
                self.beats.append(event.state)
            case Notified():
                self.news.append(event.message)
            case Closed():
                self.goodbyes.append(event.goodbye)
            case Replied():
                answer = self._asked.pop(event.call)
                if not answer.done():
                    answer.set_result(event.message)
            case Reset():
                self._reset(event)
            case _:
                self._streamed(event)

    def _reset(self, event: Reset) -> None:
        self.resets.append(event)
        for call in event.requests:
            answer = self._asked.pop(call)
            if not answer.done():
                answer.set_exception(LostError(f"request {call}"))

    def _streamed(self, event: Event) -> None:
        match event:
            case StreamOpened():
                flowing = self.streams[event.stream] = Flowing(self, event.stream, event.message)
                assert self.serve is not None, event.message
                self.serve(flowing)
            case StreamData():
                flowing = self.streams[event.stream]
                if event.gap:
                    flowing.gaps.append((event.offset - event.gap, event.gap))
                flowing.data += event.data
                if flowing.grants:
                    self.session.grant(event.stream, len(event.data))
            case StreamEnded():
                self.streams[event.stream].ended = event
            case StreamCancelled():
                self.streams[event.stream].cancelled = event
            case StreamRoom() | _:
                pass  # whoever writes looks again


@contextlib.asynccontextmanager
async def dial(port: int, me: Who, *, agent: str = AGENT) -> AsyncIterator[Caller]:
    """Talk to the agent that listens at a port."""
    async with Caller(me, agent=agent).connected(port) as peer:
        yield peer


class Hall:
    """A controller that agents dial: one caller for each agent, connected whenever it dials."""

    def __init__(self, me: Who) -> None:
        self._who = me
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.callers: dict[str, Caller] = {}
        self.dialled = 0
        self.changed = asyncio.Event()
        self.port = 0

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def listen(self, port: int = 0) -> None:
        """Take agents, at the same port as before where that is named."""
        assert self._who.certificate is not None
        context = server_context(self._who.certificate, trust=self._who.trust, alpn=[ALPN])
        self._server = await asyncio.start_server(self._take, "127.0.0.1", port, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Be gone, with all connections."""
        assert self._server is not None
        self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def caller(self, agent: str = AGENT) -> Caller:
        """Wait for an agent."""

        async def watch() -> Caller:
            while agent not in self.callers or not self.callers[agent].opened:
                self.changed.clear()
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self.changed.wait(), 0.05)
            return self.callers[agent]

        return await asyncio.wait_for(watch(), PATIENCE)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        self.dialled += 1
        try:
            shown = writer.get_extra_info("peercert")["subject"]
            agent = next(value for part in shown for key, value in part if key == "commonName")
            caller = self.callers.setdefault(agent, Caller(self._who, agent=agent))
            before = len(caller.goodbyes)
            async with caller.over(reader, writer):
                self.changed.set()
                await _until_gone(caller, before)
        except asyncio.CancelledError:
            pass  # of asyncio.start_server nobody else would take it
        finally:
            self._connections.discard(task)


async def _until_gone(caller: Caller, before: int) -> None:
    await caller.until(lambda: len(caller.goodbyes) > before, 3_600)


async def _close(writer: asyncio.StreamWriter) -> None:
    """Close for good: a test leaves no transport behind."""
    writer.close()
    with contextlib.suppress(OSError, ssl.SSLError, asyncio.TimeoutError):
        await asyncio.wait_for(writer.wait_closed(), 2)
    writer.transport.abort()
