"""The listener: agents that dial, strangers that do, and the carrier that reaches who is here."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from controller.clock import SystemClock
from controller.errors import RefusedError, StateError, TransportError, Unreachable
from controller.model.inventory import Carrier
from controller.pki import revoking
from controller.pki.contexts import client_context
from controller.pki.reason import Reason
from controller.pki.role import Role
from controller.transport.agents import listener as room_of_listeners, patrol
from controller.transport.agents.listener import AgentListener, Hooks
from controller.transport.agents.pull_dialer import PullDialer
from controller.transport.agents.session import AgentSession
from controller.wire.messages.news import Changed, Reported
from tests.agent.daemon_room import Room, make_room
from tests.pki.place import BY
from tests.transport.agent_place import SERVER, dials, hub, instance, listening, papers, until

pytestmark = pytest.mark.real
HERE = replace(SERVER, carrier=Carrier.PULL)


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return make_room(tmp_path)


@contextlib.asynccontextmanager
async def stranger(
    listener: AgentListener, room: Room, name: str | None, *, alpn: tuple[str, ...] = ("ctl/1",)
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Dial the listener by hand."""
    own = None if name is None else room.place.identity(name)
    context = client_context(own, trust=room.place.trust, alpn=alpn)
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", listener.port, ssl=context, server_hostname="hub"
    )
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def refused_by(reader: asyncio.StreamReader) -> bool:
    """Say whether the other end closes without a word."""
    try:
        return await asyncio.wait_for(reader.read(1), 5) == b""
    except OSError:
        return True


async def test_an_agent_that_dials_gives_a_session(room: Room) -> None:
    async with listening(room) as listener, room.run(**dials(listener)):
        dialer = PullDialer(listener)
        session = await dialer.open(HERE)
        assert isinstance(session, AgentSession)
        assert session.facts.boot_id == "boot-1"
        assert (await session.pool()).workers == 1
        assert listener.here == ("web-1",)


async def test_an_agent_that_has_not_dialled_is_away(room: Room) -> None:
    async with listening(room) as listener:
        with pytest.raises(TransportError, match="its agent has not dialled in") as caught:
            await PullDialer(listener, patience=0.1).open(HERE)
    assert caught.value.cause is Unreachable.AWAY


async def test_an_agent_that_dials_and_takes_nobody_says_why(room: Room) -> None:
    (Path(room.settings.state) / ".leases.json.new").mkdir(parents=True)
    listener = AgentListener(
        hub(room), clock=SystemClock(), instance=instance(), cluster="c", lease=3
    )
    await listener.start("127.0.0.1", 0)
    try:
        async with room.run(**dials(listener)):
            await until(lambda: room.log.has("cannot keep lease 3"))
            with pytest.raises(TransportError, match="cannot keep on disk") as caught:
                await PullDialer(listener, patience=0.5).open(HERE)
            (Path(room.settings.state) / ".leases.json.new").rmdir()
            await PullDialer(listener, patience=10).open(HERE)
    finally:
        await listener.close()
    assert caught.value.cause is Unreachable.STATE


async def test_where_clocks_differ_by_days_both_ends_say_so(room: Room) -> None:
    past = replace(room.place, now=room.place.now - timedelta(days=30))
    past.issue("hub", Role.CONTROLLER, alternatives=("127.0.0.1",), days=20)
    told: list[str] = []
    hooks = Hooks(refused=lambda _, why: told.append(why))
    async with listening(room, hooks) as listener, room.run(**dials(listener)):
        await until(lambda: bool(told))
        await until(lambda: room.log.has("has expired by the clock of this server"))
    assert told[0] == "no handshake: our certificate has expired by its clock"


async def test_where_nobody_listens_every_agent_that_dials_is_away() -> None:
    with pytest.raises(TransportError) as caught:
        await PullDialer(None).open(HERE)
    assert caught.value.cause is Unreachable.AWAY
    assert caught.value.message == (
        "cannot reach web-1: its agent dials a controller, and none listens here"
    )


async def test_an_agent_comes_back_and_its_session_goes_on(room: Room) -> None:
    async with listening(room) as listener, room.run(**dials(listener)):
        dialer = PullDialer(listener)
        session = await dialer.open(HERE)
        peer = listener.peer("web-1")
        assert peer is not None
        for line in list(peer._lines):
            line.abort()
        await until(lambda: not peer.up)
        assert (await asyncio.wait_for(session.pool(), 10)).workers == 1


async def test_a_fresh_session_has_the_agent_dial_again(room: Room) -> None:
    async with listening(room) as listener, room.run(**dials(listener)):
        dialer = PullDialer(listener)
        session = await dialer.open(HERE)
        peer = listener.peer("web-1")
        assert peer is not None
        before = set(peer._lines)
        fresh = await dialer.fresh(HERE)
        assert not before & set(peer._lines)
        await asyncio.gather(session.pool(), fresh.pool())


@pytest.mark.parametrize("name", [None, "ops", "ana", "main"])
async def test_only_agents_are_taken(room: Room, name: str | None) -> None:
    told: list[str] = []
    hooks = Hooks(refused=lambda _, why: told.append(why))
    async with (
        listening(room, hooks) as listener,
        stranger(listener, room, name) as (reader, _),
    ):
        assert await refused_by(reader)
        assert len(told) == 1
        assert listener.here == ()


@pytest.mark.parametrize("alpn", [("h2",), (), ("ctl-enroll/1",)])
async def test_who_speaks_something_else_is_closed(room: Room, alpn: tuple[str, ...]) -> None:
    async with (
        listening(room) as listener,
        stranger(listener, room, "web-1", alpn=alpn) as (reader, _),
    ):
        assert await refused_by(reader)


async def test_enrolment_is_handed_over(room: Room) -> None:
    seen: list[str] = []

    async def enroll(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, place: str
    ) -> None:
        seen.append(place)
        writer.write((await reader.readline()).upper())
        await writer.drain()

    async with (
        listening(room, Hooks(enroll=enroll)) as listener,
        stranger(listener, room, None, alpn=("ctl-enroll/1",)) as (reader, writer),
    ):
        writer.write(b"a request\n")
        assert await asyncio.wait_for(reader.read(), 5) == b"A REQUEST\n"
        assert seen == ["127.0.0.1"]


async def test_idle_sockets_garbage_and_plain_tcp_keep_no_agent_waiting(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_of_listeners, "HANDSHAKES", 20)
    async with listening(room) as listener, contextlib.AsyncExitStack() as stack:
        for number in range(100):
            _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            stack.callback(writer.close)
            if number % 2:
                writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await until(lambda: len(listener._shaking) <= 20)
        async with room.run(**dials(listener)):
            session = await asyncio.wait_for(PullDialer(listener).open(HERE), 5)
            begun = asyncio.get_running_loop().time()
            await session.pool()
            assert asyncio.get_running_loop().time() - begun < 1


async def test_who_is_put_out_before_his_handshake_begins_is_hung_up_on(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_of_listeners, "HANDSHAKES", 1)
    async with listening(room) as listener:
        pairs = [socket.socketpair() for _ in range(3)]
        for there, _ in pairs:
            there.setblocking(False)
            listener._begin(there, "127.0.0.1")
        await until(lambda: [there.fileno() for there, _ in pairs][:2] == [-1, -1])
    for _, other in pairs:
        other.close()


async def test_a_storm_is_taken_at_a_bounded_rate(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_of_listeners, "RATE", 20.0)
    monkeypatch.setattr(room_of_listeners, "BURST", 2)
    begun: list[float] = []
    told = Hooks(refused=lambda _place, _why: begun.append(asyncio.get_running_loop().time()))
    async with listening(room, told) as listener, contextlib.AsyncExitStack() as stack:
        since = asyncio.get_running_loop().time()
        for _ in range(14):
            _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            stack.callback(writer.close)
        await until(lambda: len(begun) == 14)
        assert asyncio.get_running_loop().time() - since >= 11 / 20


async def test_a_revoked_agent_is_gone_in_time_and_not_taken_again(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patrol, "ROUND", 0.05)
    told: list[str] = []
    hooks = Hooks(refused=lambda _, why: told.append(why))
    async with listening(room, hooks) as listener, room.run(**dials(listener)):
        await until(lambda: listener.here == ("web-1",))
        revoking.revoke(
            room.place.path, "web-1", reason=Reason.KEY_COMPROMISE, now=room.place.now, by=BY
        )
        await until(lambda: listener.here == ())
        await until(lambda: any("agent web-1 was revoked" in why for why in told))
        await until(lambda: room.log.has("hung up before it greeted; its log may say why"))


async def test_news_are_recorded_before_the_agent_forgets_them(room: Room) -> None:
    heard: list[tuple[str, Changed | Reported]] = []
    hooks = Hooks(news=lambda name, said: heard.append((name, said)))
    news = Changed(number=1, attempt="a.1.1", job="a", phase="ended")
    async with listening(room, hooks) as listener, room.run(**dials(listener)):
        await until(lambda: listener.here == ("web-1",))
        room.answers.say(news)
        await until(lambda: room.answers.news == [])
        assert heard == [("web-1", news)]


async def test_news_that_nobody_records_stay_with_the_agent(room: Room) -> None:
    async with listening(room) as listener, room.run(**dials(listener)):
        session = await PullDialer(listener).open(HERE)
        room.answers.say(Changed(number=1, attempt="a.1.1", job="a", phase="ended"))
        await session.pool()
        assert len(room.answers.news) == 1


async def test_small_answers_to_agents_wait_for_nothing() -> None:
    loop = asyncio.get_running_loop()
    with contextlib.closing(room_of_listeners.door(socket.AF_INET, ("127.0.0.1", 0))) as one:
        _, writer = await asyncio.open_connection(*one.getsockname()[:2])
        link, _ = await loop.sock_accept(one)
        with contextlib.closing(link):
            assert link.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        writer.close()
        await writer.wait_closed()


async def test_only_a_controller_listens(room: Room) -> None:
    listener = AgentListener(papers(room, "ops"), clock=SystemClock(), instance=instance())
    with pytest.raises(RefusedError, match="cannot listen for agents as admin ops"):
        await listener.start("127.0.0.1", 0)


async def test_a_port_that_is_taken_is_said_so(room: Room) -> None:
    async with listening(room) as first:
        second = AgentListener(papers(room), clock=SystemClock(), instance=instance())
        with pytest.raises(StateError, match=f"cannot listen for agents on 127.0.0.1:{first.port}"):
            await second.start("127.0.0.1", first.port)


async def test_old_tls_is_refused(room: Room) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(room.place.trust)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with listening(room) as listener:
        with pytest.raises(OSError):  # an alert, or no answer at all
            await asyncio.open_connection(
                "127.0.0.1", listener.port, ssl=context, server_hostname="hub"
            )
