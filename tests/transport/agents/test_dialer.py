"""Agents that are dialled: sharing, reconnecting, losing, and why one is not reached."""

import asyncio
import socket
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from controller.clock import SystemClock
from controller.errors import RefusedError, SessionLostError, TransportError, Unreachable
from controller.model.ids import AttemptId
from controller.pki import revoking
from controller.pki.contexts import Clients, server_context
from controller.pki.reason import Reason
from controller.pki.role import Role
from controller.transport.agents import dialer as room_of_dialers, patrol
from controller.transport.agents.dialer import AgentDialer
from controller.transport.agents.papers import Papers
from controller.transport.port import Phase, Pool
from controller.wire.messages.attempts import WaitAttempt
from tests.agent.daemon_room import Room, give, make_room
from tests.pki.place import BY, founded
from tests.transport.agent_place import dialling, folder_of, instance, server, until

pytestmark = pytest.mark.real
WORK = AttemptId("job1.step.1")


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return make_room(tmp_path)


async def cause_of(dialer: AgentDialer, room: Room, **change: object) -> TransportError:
    """Fail to reach an agent."""
    with pytest.raises(TransportError) as caught:
        await dialer.open(replace(server(room), **change))  # type: ignore[arg-type]
    return caught.value


async def test_an_agent_is_reached_and_tells_what_it_is(room: Room) -> None:
    async with room.run(), dialling(room) as dialer:
        session = await dialer.open(server(room))
        assert session.facts.boot_id == "boot-1"
        assert session.facts.agent == "test"
        assert await session.pool() == Pool(workers=1, running=0, waiting=0)


async def test_all_who_ask_share_one_connection(room: Room) -> None:
    async with room.run(), dialling(room) as dialer:
        sessions = await asyncio.gather(*(dialer.open(server(room)) for _ in range(20)))
        await asyncio.gather(*(one.pool() for one in sessions))
        assert len({asker.session for asker, _ in room.answers.asked}) == 1
        await sessions[0].close()
        await sessions[1].pool()
        with pytest.raises(SessionLostError):
            await sessions[0].pool()


async def test_a_fresh_session_is_a_connection_of_its_own(room: Room) -> None:
    async with room.run(), dialling(room) as dialer:
        shared, fresh = await dialer.open(server(room)), await dialer.fresh(server(room))
        await asyncio.gather(shared.pool(), fresh.pool())
        assert len({asker.session for asker, _ in room.answers.asked}) == 2
        await fresh.close()
        await shared.pool()


async def test_what_was_asked_before_a_cut_is_answered_after_it(room: Room) -> None:
    async with room.run(), dialling(room) as dialer:
        session = await dialer.open(server(room))
        waiting = asyncio.create_task(session.wait(WORK))
        await until(lambda: len(room.answers.asked) == 1)
        for line in list(session._peer._lines):
            line.abort()
        await session.pool()
        assert not waiting.done()
        room.answers.gate.set()
        assert (await asyncio.wait_for(waiting, 5)).phase is Phase.ENDED
        asked = [one for _, one in room.answers.asked if isinstance(one, WaitAttempt)]
        assert len(asked) == 1


async def test_an_agent_that_began_anew_has_lost_the_session(room: Room) -> None:
    async with dialling(room) as dialer:
        async with room.run():
            session = await dialer.open(server(room))
            waiting = asyncio.create_task(session.wait(WORK))
            await until(lambda: len(room.answers.asked) == 1)
            there = server(room)
        async with room.run(listen=replace(room.settings.listen, port=there.agent.port)):  # type: ignore[type-var]
            with pytest.raises(SessionLostError) as caught:
                await asyncio.wait_for(waiting, 5)
            assert caught.value.cause is Unreachable.LOST
            with pytest.raises(SessionLostError):
                await session.pool()
            again = await dialer.open(there)
            assert (await again.pool()).workers == 1


async def test_an_agent_that_stays_away_is_lost_in_time(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with dialling(room) as dialer:
        async with room.run():
            session = await dialer.open(server(room))
            waiting = asyncio.create_task(session.wait(WORK))
            await until(lambda: len(room.answers.asked) == 1)
        await until(lambda: session._peer._giving_up is not None)
        session._peer.give_up("no connection for 90 s")
        with pytest.raises(SessionLostError, match="90 s"):
            await waiting
        error = await cause_of(dialer, room)
        assert (error.cause, error.hint) == (
            Unreachable.TCP,
            "is its agent running? ctl agent install --on web-1",
        )


async def test_streams_bring_gaps_and_files_whole(room: Room) -> None:
    room.answers.content = bytes(range(256)) * 20_000
    async with room.run(), dialling(room) as dialer:
        session = await dialer.open(server(room))
        chunks = [(one.offset, one.gap, one.data) async for one in session.output(WORK)]
        assert chunks == [(7, 7, b"after")]
        pieces = [piece async for piece in session.fetch("/any", offset=1000)]
        assert b"".join(pieces) == room.answers.content[1000:]


async def test_a_reader_that_stops_holds_up_the_agent_and_nobody_else(room: Room) -> None:
    room.answers.content = bytes(8 << 20)
    async with room.run(), dialling(room) as dialer:
        session = await dialer.open(server(room))
        reading = session.fetch("/any")
        first = await anext(aiter(reading))
        await asyncio.sleep(0.2)
        taken = sum(len(one.data) for one in next(iter(session._talk._streams.values()))._came)
        assert len(first) + taken <= 1 << 20
        await session.pool()
        await reading.aclose()  # type: ignore[attr-defined]
        assert session._talk._streams == {}


@pytest.mark.parametrize(
    ("change", "cause", "words"),
    [
        ({"address": "no-such-host.invalid"}, Unreachable.DNS, "does not resolve"),
        ({"name": "web-2"}, Unreachable.AUTH, "names another server"),
    ],
)
async def test_causes_are_told_apart(
    room: Room, change: dict[str, object], cause: Unreachable, words: str
) -> None:
    async with room.run(), dialling(room) as dialer:
        error = await cause_of(dialer, room, **change)
        assert error.cause is cause
        assert words in error.message
        assert error.hint


async def test_a_port_where_nobody_listens_is_a_cause_of_its_own(room: Room) -> None:
    async with dialling(room) as dialer:
        room.port = 1
        error = await cause_of(dialer, room)
        assert error.cause is Unreachable.TCP
        assert error.message == "cannot reach web-1 (127.0.0.1:1): nobody listens there"


async def test_who_speaks_no_tls_is_told_apart(room: Room) -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        await writer.drain()
        writer.close()

    strange = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with strange, dialling(room) as dialer:
        room.port = strange.sockets[0].getsockname()[1]
        error = await cause_of(dialer, room)
    assert error.cause is Unreachable.TLS
    assert "does not speak TLS" in error.message


async def test_who_speaks_no_ctl_is_of_another_version(room: Room) -> None:
    context = server_context(
        room.place.identity("web-1"), trust=room.place.trust, clients=Clients.NONE, alpn=["h2"]
    )
    strange = await asyncio.start_server(
        lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=context
    )
    async with strange, dialling(room) as dialer:
        room.port = strange.sockets[0].getsockname()[1]
        error = await cause_of(dialer, room)
    assert error.cause is Unreachable.VERSION


async def test_another_role_behind_the_name_is_refused(room: Room) -> None:
    room.place.issue("web-9", Role.CONTROLLER)
    context = server_context(
        room.place.identity("web-9"), trust=room.place.trust, clients=Clients.NONE, alpn=["ctl/1"]
    )
    strange = await asyncio.start_server(
        lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=context
    )
    async with strange, dialling(room) as dialer:
        room.port = strange.sockets[0].getsockname()[1]
        error = await cause_of(dialer, room, name="web-9")
    assert error.cause is Unreachable.AUTH
    assert "controller web-9 is not agent" in error.message


async def test_an_authority_that_is_not_ours_is_refused(room: Room, tmp_path: Path) -> None:
    other = founded(tmp_path / "other")
    other.issue("main", Role.CONTROLLER)
    async with room.run():
        dialer = AgentDialer(Papers(other.path, "main"), clock=SystemClock(), instance=instance)
        error = await cause_of(dialer, room)
        await dialer.close()
    assert error.cause is Unreachable.AUTH
    assert "not of an authority that is trusted here" in error.message


async def test_an_expired_certificate_is_a_matter_of_clocks(room: Room) -> None:
    early = replace(room.place, now=room.place.now - timedelta(days=300))
    late = founded(room.path / "late", now=early.now)
    late.issue("web-1", days=100)
    late.issue("main", Role.CONTROLLER, days=397)
    context = server_context(
        late.identity("web-1"), trust=late.trust, clients=Clients.NONE, alpn=["ctl/1"]
    )
    strange = await asyncio.start_server(
        lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=context
    )
    async with strange:
        dialer = AgentDialer(Papers(late.path, "main"), clock=SystemClock(), instance=instance)
        room.port = strange.sockets[0].getsockname()[1]
        error = await cause_of(dialer, room)
        await dialer.close()
    assert error.cause is Unreachable.CLOCK
    assert "has expired by our clock" in error.message
    assert error.hint == "compare the clocks of both machines, or renew it: ctl pki renew web-1"


async def test_a_server_that_never_answers_is_a_time_out(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_of_dialers, "TLS_SECONDS", 0.2)
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        async with dialling(room) as dialer:
            room.port = silent.getsockname()[1]
            error = await cause_of(dialer, room)
    assert error.cause is Unreachable.TIMEOUT


async def test_an_agent_whose_certificate_was_revoked_is_refused(room: Room) -> None:
    async with room.run(), dialling(room) as dialer:
        revoking.revoke(
            room.place.path, "web-1", reason=Reason.KEY_COMPROMISE, now=room.place.now, by=BY
        )
        error = await cause_of(dialer, room)
    assert error.cause is Unreachable.AUTH
    assert "agent web-1 was revoked" in error.message


async def test_a_revocation_ends_an_open_connection(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patrol, "ROUND", 0.05)
    async with room.run(), dialling(room) as dialer:
        session = await dialer.open(server(room))
        waiting = asyncio.create_task(session.wait(WORK))
        await until(lambda: len(room.answers.asked) == 1)
        revoking.revoke(
            room.place.path, "web-1", reason=Reason.KEY_COMPROMISE, now=room.place.now, by=BY
        )
        with pytest.raises(SessionLostError) as caught:
            await asyncio.wait_for(waiting, 5)
        assert caught.value.cause is Unreachable.AUTH


async def test_what_the_agent_refuses_is_told_in_our_errors(room: Room) -> None:
    async with room.run(), dialling(room) as dialer:
        session = await dialer.open(server(room))
        with pytest.raises(RefusedError, match="cannot find x") as caught:
            await session.inspect("x")
        assert caught.value.hint == "look for another"
        assert (await session.status(WORK)).phase is Phase.NONE
        with pytest.raises(TransportError, match="the disk is gone"):
            await session.set_pool(2)


async def test_our_own_certificate_may_be_refused(room: Room) -> None:
    gone = revoking.revoke(
        room.place.path, "main", reason=Reason.SUPERSEDED, now=room.place.now, by=BY
    )
    assert len(gone) == 1
    give(room.place, Path(room.settings.pki), "web-1")
    (Path(room.settings.pki) / "denied").write_bytes((room.place.path / "denied").read_bytes())
    async with room.run(), dialling(room) as dialer:
        error = await cause_of(dialer, room)
    assert error.cause is Unreachable.AUTH
    assert "controller main was revoked" in error.message


async def test_a_connection_that_breaks_before_the_greeting_is_no_refusal(room: Room) -> None:
    context = server_context(room.place.identity("web-1"), trust=room.place.trust, alpn=["ctl/1"])

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=context) as broken:
        room.port = broken.sockets[0].getsockname()[1]
        async with dialling(room) as dialer:
            error = await cause_of(dialer, room)
    assert error.cause in {Unreachable.LOST, Unreachable.TCP}, error


async def test_an_agent_that_can_write_nothing_down_takes_nobody_and_says_why(room: Room) -> None:
    (Path(room.settings.state) / ".leases.json.new").mkdir(parents=True)
    async with room.run(), dialling(room, cluster="c", lease=3) as dialer:
        error = await cause_of(dialer, room)
        assert error.cause is Unreachable.STATE
        assert "takes no controller now (cannot keep on disk that it may act: " in error.message
        assert "df -h" in str(error.hint)
        assert not room.answers.asked
        (Path(room.settings.state) / ".leases.json.new").rmdir()
        await dialer.open(server(room))


async def test_who_has_no_certificate_is_told_how_to_get_one(room: Room, tmp_path: Path) -> None:
    folder = folder_of(room, tmp_path / "mine", "web-1")
    dialer = AgentDialer(Papers(folder), clock=SystemClock(), instance=instance)
    with pytest.raises(TransportError) as caught:
        await dialer.open(server(room))
    assert caught.value.cause is Unreachable.AUTH
    assert "ctl pki issue NAME --role controller" in str(caught.value.hint)
