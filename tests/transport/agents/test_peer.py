"""One agent as the controller sees it, with the agent's side of the wire in the test's own hand."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from controller.agent.streams import Data, Stream
from controller.clock import SystemClock
from controller.errors import RefusedError, SessionLostError, TransportError, Unreachable
from controller.model.observation import HostSeen
from controller.transport.agents.line import AgentLine
from controller.transport.agents.peer import AgentPeer, pauses
from controller.transport.agents.session import AgentSession
from controller.wire.doorway import Doorway
from controller.wire.events import Event, Requested
from controller.wire.handshake import Identity
from controller.wire.limits import Limits
from controller.wire.link import Link
from controller.wire.messages.greetings import Facts, Goodbye, HostState
from controller.wire.messages.server import (
    Failed,
    GetPool,
    Pool,
    Script,
    ScriptPage,
    Unsupported,
)
from controller.wire.messages.table import To
from controller.wire.messages.targets import MarkerPage
from controller.wire.session import Session

LIMITS = Limits(silence=10.0, acknowledgement=10.0, greeting=10.0)
QUICK = Limits(silence=0.3, acknowledgement=5.0, greeting=0.2)
"""Of those that are given up on."""


async def spoken() -> None:
    """Wait until what was begun has been said: a peer writes once all that is at hand is there."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


class Pipe(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self, line: AgentLine) -> None:
        super().__init__()
        self.line = line
        self.written = bytearray()
        self.closed = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closed

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True
        asyncio.get_running_loop().call_soon(self.line.connection_lost, None)

    def abort(self) -> None:
        self.close()


class Far:
    """The agent's side: one doorway, and a connection as often as the test likes."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        me = Identity(
            side=To.AGENT, name="web-1", instance="a", facts=Facts(boot_id="boot"), limits=limits
        )
        self.door = Doorway(me, {})
        self.events: list[Event] = []
        self.line = AgentLine()
        self.pipe = Pipe(self.line)
        self.link: Link | None = None

    def connect(self, peer: AgentPeer) -> AgentLine:
        """Make the next connection."""
        self.line = AgentLine()
        self.pipe = Pipe(self.line)
        self.line.connection_made(self.pipe)
        self.link = self.door.connect("main", now(), leads=True)
        peer.carry(self.line)
        self.turn()
        return self.line

    def turn(self) -> None:
        """Carry what both sides have to say."""
        assert self.link is not None
        for _ in range(4):
            data, self.pipe.written = bytes(self.pipe.written), bytearray()
            if data:
                self.events += self.door.receive(self.link, data, now())
            back = self.link.take()
            if back:
                self.line.data_received(back)

    def answer(self, reply: Callable[[object], object]) -> None:
        """Answer what was asked."""
        assert self.link is not None
        session = self.door.session(self.link)
        assert session is not None
        self.turn()
        asked, self.events = self.events, []
        for event in asked:
            if isinstance(event, Requested):
                session.reply(event.call, reply(event.message))
        self.turn()

    def beat(self, state: HostState) -> None:
        """Say how the machine does."""
        assert self.link is not None
        session = self.door.session(self.link)
        assert session is not None
        session.heartbeat(state, now())
        self.turn()

    def break_off(self) -> None:
        """Lose the connection."""
        assert self.link is not None
        self.line.connection_lost(None)
        self.door.lost(self.link)


def now() -> float:
    return asyncio.get_running_loop().time()


def peer_of(limits: Limits = LIMITS, **more: object) -> AgentPeer:
    me = Identity(side=To.CONTROLLER, name="main", instance="c", limits=limits)
    return AgentPeer("web-1", me, clock=SystemClock(), **more)  # type: ignore[arg-type]


def host_of(peer: AgentPeer) -> HostSeen | None:
    return peer.host


def is_up(peer: AgentPeer) -> bool:
    return peer.up


async def nothing() -> None:
    pass


@contextmanager
def session_of(peer: AgentPeer) -> Iterator[AgentSession]:
    yield AgentSession(peer, nothing)


async def test_heartbeats_are_observations_with_our_own_time() -> None:
    peer, far = peer_of(), Far()
    far.connect(peer)
    assert host_of(peer) is None
    before = SystemClock().now()
    far.beat(HostState(cpu=7.0, processors=4, memory_used=1, memory_total=2, load=(0.5,) * 99))
    host = host_of(peer)
    assert host is not None
    assert before <= host.at <= SystemClock().now()
    assert (host.cpu, host.processors, len(host.load)) == (1.0, 4, 16)
    await peer.close()


async def test_a_request_survives_its_connection() -> None:
    peer, far = peer_of(), Far()
    far.connect(peer)
    with session_of(peer) as session:
        asking = asyncio.create_task(session.pool())
        await spoken()
        far.break_off()
        assert not is_up(peer)
        far.connect(peer)
        far.answer(lambda _: Pool(workers=3))
        assert (await asyncio.wait_for(asking, 5)).workers == 3
    await peer.close()


async def test_who_stays_away_ends_the_era_and_may_come_back() -> None:
    peer, far = peer_of(QUICK), Far(QUICK)
    far.connect(peer)
    with session_of(peer) as session:
        asking = asyncio.create_task(session.pool())
        await spoken()
        far.break_off()
        with pytest.raises(SessionLostError, match="no connection for 0 s"):
            await asyncio.wait_for(asking, 2)
        with pytest.raises(SessionLostError):
            await session.pool()
    far.connect(peer)
    with session_of(peer) as again:
        asking = asyncio.create_task(again.pool())
        await spoken()
        far.answer(lambda _: Pool(workers=3))
        assert (await asyncio.wait_for(asking, 5)).workers == 3
    await peer.close()


async def test_silence_is_the_end_of_a_connection() -> None:
    peer, far = peer_of(QUICK), Far(QUICK)
    far.connect(peer)
    await asyncio.sleep(0.5)
    assert not is_up(peer)
    assert far.pipe.closed
    await peer.close()


async def test_who_never_greets_is_late() -> None:
    peer = peer_of(QUICK)
    line = AgentLine()
    pipe = Pipe(line)
    line.connection_made(pipe)
    with pytest.raises(TransportError, match="did not greet in time") as caught:
        await asyncio.wait_for(peer.attach(line), 2)
    assert caught.value.cause is Unreachable.TIMEOUT
    assert pipe.closed
    await peer.close()


async def test_garbage_ends_the_connection_and_nothing_else() -> None:
    peer, far = peer_of(), Far()
    far.connect(peer)
    far.line.data_received(b"\0garbage" * 100)
    assert far.pipe.closed
    assert not is_up(peer)
    Far().connect(peer)
    assert is_up(peer)
    await peer.close()


async def test_a_list_without_an_end_is_refused() -> None:
    peer, far = peer_of(), Far()
    far.connect(peer)
    with session_of(peer) as session:
        asking = asyncio.create_task(session.scripts())
        for _ in range(3):
            await spoken()
            far.answer(lambda _: ScriptPage(scripts=(Script(name="same"),), more=True))
        with pytest.raises(RefusedError, match="it has no end"):
            await asyncio.wait_for(asking, 5)
    await peer.close()


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        (Failed(code="refused", message="no"), RefusedError, "no"),
        (Failed(code="never-heard-of", message="odd"), TransportError, "cannot go on: odd"),
        (Unsupported(of="get-pool"), RefusedError, "does not know get-pool"),
        (Failed(code="refused", message="x" * 9000), RefusedError, "^x{2000}$"),
    ],
)
async def test_refusals_are_told_in_our_errors(
    said: object, error: type[Exception], words: str
) -> None:
    peer, far = peer_of(), Far()
    far.connect(peer)
    with session_of(peer) as session:
        asking = asyncio.create_task(session.pool())
        await spoken()
        far.answer(lambda _: said)
        with pytest.raises(error, match=words):
            await asyncio.wait_for(asking, 5)
    await peer.close()


async def test_who_asks_too_much_waits_for_room() -> None:
    peer, far = peer_of(), Far()
    far.connect(peer)
    with session_of(peer) as session:
        asking = [asyncio.create_task(session.pool()) for _ in range(1100)]
        async with asyncio.timeout(10):
            while not collected(far):
                await spoken()
        await asyncio.sleep(0.05)
        assert sum(isinstance(event, Requested) for event in collected(far)) == 1024
        for _ in range(1000):
            far.answer(lambda _: Pool(workers=1))
            await asyncio.sleep(0.01)
            if all(one.done() for one in asking):
                break
        assert {one.workers for one in await asyncio.gather(*asking)} == {1}
    await peer.close()


async def test_who_never_answers_is_not_waited_for_for_ever() -> None:
    peer, far = peer_of(), Far()
    far.connect(peer)
    with pytest.raises(SessionLostError, match=r"no answer within 0\.05 s"):
        await peer.talk.ask(GetPool(), Pool, era=peer.talk.era, within=0.05)
    with session_of(peer) as session:  # and what was asked later has its own answer
        asking = asyncio.create_task(session.pool())
        await spoken()
        numbers = iter((1, 2))
        far.answer(lambda _: Pool(workers=next(numbers)))
        assert (await asyncio.wait_for(asking, 5)).workers == 2
    await peer.close()


@pytest.mark.parametrize("size", [1, 1 << 16])
async def test_more_markers_than_a_server_can_have_are_refused(size: int) -> None:
    peer, far = peer_of(), Far()
    far.connect(peer)
    numbers = iter(range(10_000))

    def page(_message: object) -> MarkerPage:
        first = next(numbers)
        many = range(1000 if size == 1 else 15)
        return MarkerPage(more=True, markers={f"t{first:05}-{n:04}": b"x" * size for n in many})

    with session_of(peer) as session:
        asking = asyncio.create_task(session.markers("p"))
        for _ in range(200):
            await spoken()
            if asking.done():
                break
            far.answer(page)
        with pytest.raises(RefusedError, match="more than"):
            await asyncio.wait_for(asking, 5)
    await peer.close()


def test_pieces_without_a_byte_lie_together() -> None:
    stream = Stream(
        Session(Identity(side=To.CONTROLLER, name="main", instance="c"), "web-1"),
        1,
        session=None,
        touched=lambda: None,
    )
    for number in range(1000):
        stream.take(Data(offset=number + 1, gap=1, data=b""))
    stream.take(Data(offset=1000, gap=0, data=b"x"))
    assert list(stream._came) == [Data(offset=1000, gap=1000, data=b"x")]


async def test_a_file_of_nothing_without_end_gains_no_time() -> None:
    stream = Stream(
        Session(Identity(side=To.CONTROLLER, name="main", instance="c"), "web-1"),
        1,
        session=None,
        touched=lambda: None,
    )

    async def trickle() -> None:
        while True:
            stream.take(Data(offset=0, gap=0, data=b""))
            await asyncio.sleep(0.01)

    trickling = asyncio.create_task(trickle())
    peer = peer_of()
    with session_of(peer) as session, pytest.raises(SessionLostError, match="no bytes for"):
        await asyncio.wait_for(session._next(stream, 0.1), 5)
    trickling.cancel()
    await peer.close()


def collected(far: Far) -> list[Event]:
    far.turn()
    return far.events


async def test_who_gives_up_waiting_gets_nobody_elses_answer() -> None:
    peer, far = peer_of(), Far()
    far.connect(peer)
    with session_of(peer) as session:
        gone = asyncio.create_task(session.pool())
        await spoken()
        gone.cancel()
        await asyncio.wait({gone})
        asking = asyncio.create_task(session.pool())
        await spoken()
        numbers = iter((1, 2))
        far.answer(lambda _: Pool(workers=next(numbers)))
        assert (await asyncio.wait_for(asking, 5)).workers == 2
    await peer.close()


async def test_a_goodbye_for_good_is_not_waited_for() -> None:
    peer, far = peer_of(), Far()
    far.connect(peer)
    assert far.link is not None
    with session_of(peer) as session:
        asking = asyncio.create_task(session.pool())
        await spoken()
        far.turn()
        far.link.close(Goodbye(reason="stale-lease"), say=True)
        far.turn()
        with pytest.raises(SessionLostError, match="another controller") as caught:
            await asyncio.wait_for(asking, 5)
        assert caught.value.cause is Unreachable.AUTH
    await peer.close()


def test_pauses_grow_to_a_minute_and_are_spread() -> None:
    found = [next(rests) for rests in [pauses()] * 40]
    assert all(0 <= one <= 60 for one in found)
    assert found[0] <= 1
    assert max(found[10:]) > 5


async def test_what_is_asked_at_once_leaves_as_one_record() -> None:
    peer, far = peer_of(), Far()
    far.connect(peer)
    written: list[int] = []
    write = far.pipe.write

    def count(data: bytes | bytearray | memoryview) -> None:
        written.append(len(data))
        write(data)

    far.pipe.write = count  # type: ignore[method-assign]
    with session_of(peer) as session:
        asking = [asyncio.create_task(session.pool()) for _ in range(20)]
        await spoken()
        assert len(written) == 1
        far.answer(lambda _: Pool(workers=4, running=0, waiting=0))
        assert len(await asyncio.wait_for(asyncio.gather(*asking), 1)) == 20
    await peer.close()
