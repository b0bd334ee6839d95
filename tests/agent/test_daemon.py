"""The daemon over real TLS: requests, streams, news, and what goes wrong in between."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest

from controller.agent.crew import EACH
from controller.pki.contexts import client_context
from controller.pki.role import Role
from controller.wire.codec import pack
from controller.wire.frames import FrameType, encode_prefix
from controller.wire.limits import Limits
from controller.wire.messages.attempts import Attempt, Start, WaitAttempt
from controller.wire.messages.files import GetSize, Size
from controller.wire.messages.news import Changed, Noted
from controller.wire.messages.server import Failed, GetPool, Inspect, ListScripts, Pool, SetPool
from controller.wire.messages.streams import OpenFile, OpenInput, OpenOutput, OpenScript, OpenUpload
from tests.agent.daemon_room import Room, make_room
from tests.fakes.agents import Caller, Flowing, LostError, dial, who


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return make_room(tmp_path)


async def test_a_request_is_answered_for_whom_the_certificate_names(room: Room) -> None:
    async with room.run(), dial(room.port, who(room.place, "ana")) as peer:
        assert await peer.ask(GetPool()) == Pool(workers=1)
        asker, _ = room.answers.asked[0]
        serial = room.place.ledger.live("ana", room.place.now)[0].serial
        assert (asker.name, asker.role, asker.serial) == ("ana", "user", serial)
        assert peer.facts.boot_id == "boot-1"


async def test_whoever_answers_learns_when_nobody_is_there_any_more(room: Room) -> None:
    async with room.run():
        async with dial(room.port, who(room.place, "main")) as peer:
            await peer.ask(GetPool())
            assert room.answers.gone == []
        asker, _ = room.answers.asked[0]
        await room.until(lambda: asker.session in room.answers.gone)


async def test_requests_do_not_wait_for_each_other(room: Room) -> None:
    async with room.run(), dial(room.port, who(room.place, "main")) as peer:
        waiting = [peer.asking(WaitAttempt(attempt=f"a{number}")) for number in range(20)]
        assert await peer.ask(GetPool()) == Pool(workers=1)
        assert not any(one.done() for one in waiting)
        room.answers.gate.set()
        ended = await asyncio.gather(*waiting)
        assert [one.id for one in ended if isinstance(one, Attempt)] == [
            f"a{number}" for number in range(20)
        ]


async def test_what_cannot_be_done_is_told_with_code_message_and_hint(room: Room) -> None:
    async with room.run(), dial(room.port, who(room.place, "main")) as peer:
        failed = await peer.ask(Inspect(name="x"))
        assert failed == Failed(code="script", message="cannot find x", hint="look for another")


async def test_a_fault_in_one_answer_ends_neither_agent_nor_connection(room: Room) -> None:
    async with room.run(), dial(room.port, who(room.place, "main")) as peer:
        room.answers.failing = ZeroDivisionError("twice\nforged: line \x1b[2J")
        failed = await peer.ask(GetPool())
        assert isinstance(failed, Failed)
        assert failed.code == "internal"
        room.answers.failing = None
        assert await peer.ask(GetPool()) == Pool(workers=1)
        assert room.log.has("ZeroDivisionError", "\\nforged", "\\x1b[2J", "daemon_room.py:")


async def test_an_answer_of_the_wrong_kind_is_a_fault(room: Room) -> None:
    async with room.run(), dial(room.port, who(room.place, "main")) as peer:
        failed = await peer.ask(ListScripts())
        assert isinstance(failed, Failed)
        assert failed.code == "internal"


async def test_an_agent_that_cannot_write_its_ledger_stops_and_says_so(room: Room) -> None:
    async with room.run():
        async with dial(room.port, who(room.place, "main")) as peer:
            peer.asking(SetPool(workers=2))
            await room.until(lambda: room.running_over)
        assert room.running is not None
        assert await room.running == 1
    assert room.log.has("cannot go on: cannot write the ledger: the disk is gone")


# streams


async def test_a_file_arrives_byte_for_byte_from_any_offset(room: Room) -> None:
    room.answers.content = os.urandom(3_000_001)
    async with room.run(), dial(room.port, who(room.place, "main")) as peer:
        flowing = peer.open(OpenFile(path="/x", offset=17))
        assert await flowing.whole() == room.answers.content[17:]
        assert flowing.ended is not None
        assert flowing.ended.sha256 == hashlib.sha256(room.answers.content).hexdigest()


async def test_a_gap_in_output_is_told(room: Room) -> None:
    async with room.run(), dial(room.port, who(room.place, "main")) as peer:
        flowing = peer.open(OpenOutput(attempt="a"))
        assert await flowing.whole() == b"after"
        assert flowing.gaps == [(0, 7)]


async def test_a_reader_that_takes_nothing_holds_up_nobody(room: Room) -> None:
    room.answers.content = os.urandom(4_000_000)
    async with room.run(), dial(room.port, who(room.place, "main")) as peer:
        stuck = [peer.open(OpenFile(path="/x"), grants=False) for _ in range(5)]
        flowing = peer.open(OpenFile(path="/x"))
        assert await flowing.whole() == room.answers.content
        assert await peer.ask(GetPool()) == Pool(workers=1)
        assert not any(one.data for one in stuck)


async def test_an_upload_is_taken_at_the_pace_of_who_keeps_it(room: Room) -> None:
    content = os.urandom(2_500_000)
    async with room.run(), dial(room.port, who(room.place, "main")) as peer:
        flowing = peer.open(OpenUpload(purpose="start"))
        await flowing.write(content)
        flowing.end()
        await room.until(lambda: flowing.number in room.answers.uploads)
        assert room.answers.uploads[flowing.number] == content
        await peer.ask(GetPool())
        asker, _ = room.answers.asked[0]
        assert room.answers.keys == [asker.session]


async def test_what_cannot_be_opened_is_cancelled_with_its_code(room: Room) -> None:
    async with room.run(), dial(room.port, who(room.place, "main")) as peer:
        flowing = peer.open(OpenInput(attempt="a"))
        await peer.until(lambda: flowing.over)
        assert flowing.cancelled is not None
        assert (flowing.cancelled.code, flowing.cancelled.message) == (
            "agent",
            "cannot open that",
        )


async def test_a_script_is_pulled_from_the_controller_that_asks(room: Room) -> None:
    content = os.urandom(2_000_000)

    def serve(flowing: Flowing) -> None:
        assert flowing.opening == OpenScript(sha256="ab")

        async def give() -> None:
            await flowing.write(content)
            flowing.end()

        giving.append(asyncio.ensure_future(give()))

    giving: list[asyncio.Task[None]] = []
    async with room.run(), dial(room.port, who(room.place, "main")) as peer:
        peer.serve = serve
        assert await peer.ask(GetSize(path="ab")) == Size(size=len(content))
        await giving[0]


# sessions that outlive connections


async def test_a_cut_connection_loses_no_answer_and_asks_nothing_twice(room: Room) -> None:
    caller = Caller(who(room.place, "main"))
    async with room.run():
        asked = []
        for number in range(30):
            with contextlib.suppress(ConnectionError):
                async with caller.connected(room.port):
                    asked.append(caller.asking(Start(id=f"j.{number}", job="j")))
                    if number % 3:
                        await asyncio.sleep(0.002 * (number % 5))
                    caller.cut()
        async with caller.connected(room.port):
            replies = await asyncio.gather(*asked)
        assert [one.id for one in replies if isinstance(one, Attempt)] == [
            f"j.{number}" for number in range(30)
        ]
        assert sorted(room.answers.started) == sorted(f"j.{number}" for number in range(30))
        assert not caller.resets
        assert [one.resumed for one in caller.opened] == [False, *[True] * 30]


async def test_a_stream_goes_on_over_the_next_connection(room: Room) -> None:
    room.answers.content = os.urandom(6_000_000)
    caller = Caller(who(room.place, "main"))
    async with room.run():
        async with caller.connected(room.port):
            flowing = caller.open(OpenFile(path="/x"))
            await caller.until(lambda: len(flowing.data) > 1_000_000)
            caller.cut()
        async with caller.connected(room.port):
            assert await flowing.whole() == room.answers.content


async def test_a_later_connection_of_the_same_process_evicts_the_one_before(room: Room) -> None:
    caller = Caller(who(room.place, "main"))
    async with room.run(), caller.connected(room.port), caller.connected(room.port):
        assert [one.reason for one in caller.goodbyes] == ["evicted"]
        assert await caller.ask(GetPool()) == Pool(workers=1)


async def test_two_processes_of_one_person_do_not_evict_each_other(room: Room) -> None:
    me = who(room.place, "ana")
    async with room.run(), dial(room.port, me) as one, dial(room.port, me) as other:
        assert await one.ask(GetPool()) == Pool(workers=1)
        assert await other.ask(GetPool()) == Pool(workers=1)


async def test_a_user_with_the_name_of_a_controller_never_gets_its_session(
    room: Room,
) -> None:
    room.place.issue("both", Role.USER)
    user = Caller(who(room.place, "both"), instance="same")
    async with room.run(), user.connected(room.port):
        assert await user.ask(GetPool()) == Pool(workers=1)
        asker, _ = room.answers.asked[0]
        assert asker.role == "user"


async def test_a_controller_that_began_anew_waits_for_nothing_of_the_one_before(room: Room) -> None:
    async with room.run():
        first = Caller(who(room.place, "main"), instance="p")
        async with first.connected(room.port):
            first.asking(WaitAttempt(attempt="a"))
            await room.until(lambda: len(room.answers.asked) == 1)
        second = Caller(who(room.place, "main"), instance="p")
        second.session.epoch = first.session.epoch
        second.session._fresh = "another"
        async with second.connected(room.port):
            await room.until(lambda: len(room.answers.cancelled) == 1)
            assert not second.opened[-1].resumed


async def test_a_session_that_nobody_resumes_leaves_nothing_behind(room: Room) -> None:
    room.limits = Limits(linger=0.1)
    caller = Caller(who(room.place, "main"))
    async with room.run():
        async with caller.connected(room.port):
            asked = caller.asking(WaitAttempt(attempt="a"))
            await room.until(lambda: len(room.answers.asked) == 1)
            assert room.answers.listeners == 1
        await room.until(lambda: len(room.answers.cancelled) == 1)
        assert room.answers.listeners == 0
        async with caller.connected(room.port):
            assert not caller.opened[-1].resumed
            with pytest.raises(LostError):
                await asked


async def test_connections_that_come_and_go_leave_one_timer(room: Room) -> None:
    async with room.run():
        for _ in range(10):
            async with dial(room.port, who(room.place, "main")) as peer:
                await peer.ask(GetPool())
        await asyncio.sleep(0.05)
        timers = [
            one
            for one in asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
            if not one.cancelled() and "Pump._tick" in repr(one)
        ]
        assert len(timers) == 1


async def test_an_agent_that_was_restarted_resumes_nothing_and_both_say_so(room: Room) -> None:
    caller = Caller(who(room.place, "main"))
    async with contextlib.AsyncExitStack() as stack:
        async with room.run():
            await stack.enter_async_context(caller.connected(room.port))
            lost = caller.asking(WaitAttempt(attempt="a"))
            await room.until(lambda: len(room.answers.asked) == 1)
        await caller.until(lambda: bool(caller.goodbyes))
        assert caller.goodbyes[-1].reason == "restarting"
    async with room.run(), caller.connected(room.port):
        with pytest.raises(LostError):
            await lost
        assert len(caller.resets) == 1


async def test_a_window_that_is_full_delays_replies_and_loses_none(room: Room) -> None:
    caller = Caller(who(room.place, "main"), limits=Limits(requests=1024))
    room.answers.content = os.urandom(8_000_000)
    async with room.run(), caller.connected(room.port):
        flowing = [caller.open(OpenFile(path="/x")) for _ in range(4)]
        asked = [caller.asking(GetPool()) for _ in range(1000)]
        assert await asyncio.gather(*asked) == [Pool(workers=1)] * 1000
        for one in flowing:
            assert await one.whole() == room.answers.content


# heartbeats, news, leases


async def test_the_first_heartbeat_comes_at_once(room: Room) -> None:
    async with room.run(), dial(room.port, who(room.place, "main")) as peer:
        await peer.until(lambda: bool(peer.beats), 2)
        assert (peer.beats[0].cpu, peer.beats[0].processors) == (0.5, 2)


def change(number: int) -> Changed:
    return Changed(number=number, attempt=f"a{number}", job="j", phase="ended")


async def test_a_controller_hears_news_in_order_and_those_from_before_it_came(room: Room) -> None:
    room.answers.say(change(1))
    async with room.run(), dial(room.port, who(room.place, "main")) as peer:
        for number in range(2, 6):
            room.answers.say(change(number))
        await peer.until(lambda: len(peer.news) == 5)
        assert peer.news == [change(number) for number in range(1, 6)]
        peer.notify(Noted(number=4))
        await room.until(lambda: room.answers.news == [change(5)])
    async with room.run(), dial(room.port, who(room.place, "main")) as again:
        await again.until(lambda: len(again.news) == 1)
        assert again.news == [change(5)]


async def test_more_news_than_the_window_holds_all_arrive_once_in_order(room: Room) -> None:
    caller = Caller(who(room.place, "main"))
    async with room.run():
        async with caller.connected(room.port):
            pass
        for number in range(1, 10_001):
            room.answers.say(change(number))
        async with caller.connected(room.port):
            await caller.until(lambda: len(caller.news) >= 10_000)
        assert caller.news == [change(number) for number in range(1, 10_001)]


async def test_people_neither_hear_news_nor_note_them(room: Room) -> None:
    room.answers.say(change(1))
    async with room.run(), dial(room.port, who(room.place, "ops")) as peer:
        room.answers.say(change(2))
        peer.notify(Noted(number=2))
        await peer.ask(GetPool())
        assert not peer.news
        assert len(room.answers.news) == 2
        assert not room.answers.listeners


async def test_a_lease_is_kept_over_a_restart(room: Room) -> None:
    me = who(room.place, "main")
    async with room.run(), Caller(me, cluster="c", lease=7).connected(room.port):
        pass
    async with room.run():
        late = Caller(me, cluster="c", lease=6)
        async with late.connected(room.port):
            assert [one.reason for one in late.goodbyes] == ["stale-lease"]
            assert not late.opened
        async with Caller(me, cluster="c", lease=7).connected(room.port) as peer:
            assert await peer.ask(GetPool()) == Pool(workers=1)


async def test_a_higher_lease_ends_the_sessions_of_lower_ones(room: Room) -> None:
    me = who(room.place, "main")
    old, new = Caller(me, cluster="c", lease=1), Caller(me, cluster="c", lease=2)
    async with room.run(), old.connected(room.port), new.connected(room.port):
        await old.until(lambda: bool(old.goodbyes))
        assert old.goodbyes[-1].reason == "stale-lease"


async def test_a_lease_of_a_person_means_nothing(room: Room) -> None:
    me = who(room.place, "ops")
    async with room.run(), Caller(me, cluster="c", lease=9).connected(room.port):
        pass
    assert not (room.path / "state/leases.json").exists()


async def test_nothing_is_done_under_a_lease_that_cannot_be_kept(room: Room) -> None:
    state = room.path / "state"
    async with room.run():
        (state / ".leases.json.new").mkdir()  # no file can be written in its place
        caller = Caller(who(room.place, "main"), cluster="c", lease=3)
        async with caller.connected(room.port):
            (said,) = caller.goodbyes
            assert not caller.opened
            assert (said.reason, said.message.partition(":")[0]) == (
                "closing",
                "cannot keep on disk that it may act",
            )
        assert room.log.has("cannot keep lease 3")
        (state / ".leases.json.new").rmdir()
        again = Caller(who(room.place, "main"), cluster="c", lease=2)
        async with again.connected(room.port):
            assert again.opened


async def test_what_comes_with_a_hello_whose_lease_cannot_be_kept_is_not_done(room: Room) -> None:
    caller = Caller(who(room.place, "main"), cluster="c", lease=3)
    hello = caller.session.connect(asyncio.get_running_loop().time()).take()
    header, payload = pack(Start(id="j.1", job="j"), call=1)
    start = encode_prefix(FrameType.MESSAGE, 1, 0, header, payload) + header + payload
    own = caller.who.certificate
    async with room.run():
        (room.path / "state/.leases.json.new").mkdir()
        context = client_context(own, trust=caller.who.trust, alpn=["ctl/1"])
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", room.port, ssl=context, server_hostname="web-1"
        )
        writer.write(hello + start)
        with contextlib.suppress(OSError):
            await asyncio.wait_for(reader.read(), 5)
        writer.transport.abort()
        assert room.log.has("cannot keep lease 3")
        assert not room.answers.asked
        assert not room.answers.listeners


# people and controllers beside each other


async def test_what_one_person_has_under_way_never_keeps_others_waiting(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EACH, "user", 10)
    async with (
        room.run(),
        dial(room.port, who(room.place, "ana")) as ana,
        dial(room.port, who(room.place, "ana")) as again,
        dial(room.port, who(room.place, "main")) as main,
    ):
        waiting = [ana.asking(WaitAttempt(attempt=f"a{number}")) for number in range(10)]
        await room.until(lambda: len(room.answers.asked) == 10)
        refused = await again.ask(GetPool())
        assert isinstance(refused, Failed)
        assert refused.code == "busy"
        flowing = again.open(OpenFile(path="/x"))
        await again.until(lambda: flowing.over)
        assert flowing.cancelled is not None
        assert flowing.cancelled.code == "busy"
        assert await main.ask(GetPool()) == Pool(workers=1)
        room.answers.gate.set()
        await asyncio.gather(*waiting)
        assert await again.ask(GetPool()) == Pool(workers=1)


async def test_a_client_that_reads_nothing_is_given_up_and_holds_up_nobody(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.agent.line.LINGER", 0.2)
    room.limits = Limits(acknowledgement=0.5)
    room.answers.content = os.urandom(8_000_000)
    stuck, good = Caller(who(room.place, "ops")), Caller(who(room.place, "main"))
    async with room.run(), good.connected(room.port), stuck.connected(room.port):
        assert stuck._writer is not None
        stuck._writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(20):
            stuck.open(OpenFile(path="/x"))
        flowing = good.open(OpenFile(path="/x"))
        assert await flowing.whole() == room.answers.content
        await room.until(lambda: room.log.has("goodbye to admin ops", "silent"))
        assert await good.ask(GetPool()) == Pool(workers=1)


# what no good client sends


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        encode_prefix(FrameType.CONTROL, 0, 0, b"", b"")[:4] + b"\xff" * 24,
        encode_prefix(FrameType.MESSAGE, 1, 0, b"{}", b"") + b"{}",
        os.urandom(4096),
    ],
)
async def test_frames_that_are_none_end_one_connection_and_no_other(
    room: Room, garbage: bytes
) -> None:
    good = Caller(who(room.place, "main"))
    bad = Caller(who(room.place, "ops"))
    async with room.run(), good.connected(room.port):
        async with bad.connected(room.port):
            assert bad._writer is not None
            bad._writer.write(garbage)
            await bad.until(lambda: bool(bad.goodbyes))
            assert bad.goodbyes[-1].reason == "protocol"
        assert await good.ask(GetPool()) == Pool(workers=1)
        assert not good.goodbyes
    assert room.log.has("goodbye to admin ops", "protocol")


async def test_a_hello_that_claims_another_name_is_refused(room: Room) -> None:
    liar = Caller(who(room.place, "main"))
    liar.session.me = replace(liar.session.me, name="ops")
    async with room.run(), liar.connected(room.port):
        assert [one.reason for one in liar.goodbyes] == ["wrong-name"]
