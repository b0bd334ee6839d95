"""Sessions: the handshake, requests, streams, resumption, limits and time."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import pytest

from controller.wire.errors import OversizeError, UnknownCallError, WindowFullError
from controller.wire.events import (
    Beat,
    BeatAnswered,
    BeatDue,
    Closed,
    Event,
    Fence,
    Notified,
    Opened,
    Replied,
    Requested,
    Reset,
    Room,
    StreamCancelled,
    StreamData,
    StreamEnded,
    StreamOpened,
    StreamRoom,
)
from controller.wire.frames import Frame, FrameType, encode_frame
from controller.wire.limits import LIMITS
from controller.wire.link import Link
from controller.wire.messages.attempts import Attempt, Start, WaitAttempt
from controller.wire.messages.files import GetSize, Size
from controller.wire.messages.greetings import Goodbye, HostState
from controller.wire.messages.news import Changed, Noted
from controller.wire.messages.server import Done, Failed, Unsupported
from controller.wire.messages.streams import OpenInput, OpenOutput
from controller.wire.session import Session
from tests.wire.ends import SMALL, Pair, Wire, controller, doorway


def test_a_handshake_opens_both_ends_with_what_both_speak() -> None:
    pair = Pair()
    pair.settle()
    (near,) = [e for e in pair.near_events if isinstance(e, Opened)]
    (far,) = [e for e in pair.far_events if isinstance(e, Opened)]
    assert near.peer == "web-1"
    assert far.peer == "control"
    assert near.features == far.features == ("pause",)
    assert near.facts is not None
    assert near.facts.boot_id == "boot-1"
    assert not near.resumed
    assert not far.resumed


def test_a_request_is_answered_once() -> None:
    pair = Pair().talk()
    call = pair.near.request(
        Start(id="j.a.1", job="j", env={"A": "é=\n"}, text=b"\xff\0", stdin=b"x")
    )
    pair.settle()
    (asked,) = pair.far_events
    assert asked == Requested(
        call=call,
        message=Start(id="j.a.1", job="j", env={"A": "é=\n"}, text=b"\xff\0", stdin=b"x"),
    )
    answer = Attempt(id="j.a.1", phase="running", fresh=True, outputs=b"a=b\n")
    pair.far.reply(call, answer)
    pair.settle()
    assert pair.near_events == [Replied(call=call, message=answer)]
    with pytest.raises(UnknownCallError):
        pair.far.reply(call, answer)


def test_a_connection_lost_in_the_middle_changes_nothing() -> None:
    pair = Pair().talk()
    call = pair.near.request(GetSize(path="/a"))
    pair.load(pair.wire)
    pair.cut()
    pair.dial()
    pair.settle()
    opened = pair.said(Opened, Reset)
    assert [getattr(e, "resumed", None) for e in opened] == [True, True]
    assert [e for e in pair.far_events if isinstance(e, Requested)] == [
        Requested(call=call, message=GetSize(path="/a"))
    ]
    pair.far.reply(call, Size(size=None))
    pair.settle()
    assert pair.near_events[-1] == Replied(call=call, message=Size(size=None))


# sessions and their epochs


def reasons(events: list[Event]) -> list[tuple[str, bool]]:
    return [(event.goodbye.reason, event.ours) for event in events if isinstance(event, Closed)]


def test_a_new_connection_evicts_the_old_one_and_goes_on_with_its_work() -> None:
    pair = Pair().talk()
    first = pair.wire
    call = pair.near.request(GetSize(path="/a"))
    pair.dial()
    pair.settle()
    assert first.near.closed is not None
    assert first.far.closed is not None
    assert ("evicted", True) in reasons(pair.near_events)
    assert ("evicted", True) in reasons(pair.far_events)
    assert [e.call for e in pair.far_events if isinstance(e, Requested)] == [call]
    before = list(pair.far_events)
    pair.load(first)
    pair.carry(first, 1 << 20, 1 << 20)
    assert pair.far_events == before


def test_a_hello_that_comes_after_a_later_one_is_refused_and_harms_nobody() -> None:
    pair = Pair()
    late = pair.wire
    pair.dial()
    pair.settle()
    pair.load(late)
    pair.carry(late, 0, 1 << 20)
    assert late.far.closed is not None
    assert late.far.closed == Goodbye(reason="stale-epoch", epoch=2)
    pair.load(late)
    pair.carry(late, 1 << 20, 0)
    assert reasons(pair.near_events) == [("stale-epoch", False)]
    assert pair.near.link is pair.wire.near
    assert pair.near.epoch == 2


def test_a_controller_that_forgot_its_epoch_learns_it() -> None:
    pair = Pair().talk()
    pair.dial()
    pair.settle()
    pair.cut()
    pair.near = controller()  # the same process name, with nothing kept
    pair.dial()
    pair.settle()
    assert reasons(pair.near_events)[-1] == ("stale-epoch", False)
    pair.near_events.clear()
    pair.dial()
    pair.settle()
    (opened,) = [e for e in pair.near_events if isinstance(e, Opened)]
    assert not opened.resumed


def test_a_restarted_agent_begins_anew_and_the_controller_hears_what_was_under_way() -> None:
    pair = Pair().talk()
    call = pair.near.request(WaitAttempt(attempt="j.a.1"))
    stream = pair.near.open(OpenOutput(attempt="j.a.1"))
    pair.settle()
    pair.cut()
    pair.door = doorway()
    pair.dial()
    pair.settle()
    assert Reset(requests=(call,), streams=(stream,)) in pair.near_events
    (opened,) = [e for e in pair.near_events if isinstance(e, Opened)]
    assert not opened.resumed


def test_a_restarted_controller_gets_a_session_of_its_own_and_the_old_one_lingers_and_goes() -> (
    None
):
    pair = Pair().talk()
    pair.cut()
    pair.near = controller(instance="c2")
    pair.dial()
    pair.settle()
    assert [e.resumed for e in pair.near_events if isinstance(e, Opened)] == [False]
    assert len(pair.door._guests) == 2
    pair.door.tick(1.0)
    pair.far.link.heard = 2000.0  # type: ignore[union-attr]
    pair.door.tick(2 + LIMITS.linger)
    assert [key for key, _ in pair.door._guests.items()] == [("control", "c2")]


def test_what_is_said_before_the_first_connection_is_not_lost() -> None:
    pair = Pair()
    call = pair.near.request(GetSize(path="/a"))
    pair.settle()
    assert [e.call for e in pair.far_events if isinstance(e, Requested)] == [call]


def test_two_processes_of_one_name_do_not_evict_each_other() -> None:
    pair = Pair().talk()
    other = controller(instance="c2", lease=0)
    far = pair.door.connect("control", 0.0, leads=True)
    wire = Wire(other.connect(0.0), far)
    events = pair.door.receive(far, wire.near.take(), 0.0)
    assert [type(event) for event in events] == [Opened]
    assert pair.near.link is not None
    assert pair.far.link is not None


# leases


def hello(pair: Pair, session: Session, *, leads: bool = True) -> tuple[Link, list[Event]]:
    link = pair.door.connect("control", pair.now, leads=leads)
    return link, pair.door.receive(link, session.connect(pair.now).take(), pair.now)


def test_a_higher_lease_of_the_same_state_fences_the_lower_one_for_ever() -> None:
    pair = Pair().talk()
    _, events = hello(pair, controller(instance="c2", lease=2))
    assert events[0] == Fence(cluster="state", lease=2)
    assert reasons(events) == [("stale-lease", True)]
    assert pair.wire.far.closed is not None
    link, events = hello(pair, controller(instance="c3", lease=1))
    assert reasons(events) == [("stale-lease", True)]
    assert link.closed is not None
    assert pair.door.leases == {"state": 2}


def test_an_agent_that_cannot_keep_a_lease_says_so_in_place_of_a_welcome() -> None:
    pair = Pair()
    pair.door.receive(pair.wire.far, pair.wire.near.take(), 0.0)
    goodbye = Goodbye(reason="closing", message="the disk is full")
    pair.wire.far.refuse(goodbye)
    pair.wire.far.refuse(Goodbye(reason="busy"))
    (closed,) = pair.near.receive(pair.wire.near, pair.wire.far.take(), 0.0)
    assert closed == Closed(link=pair.wire.near, goodbye=goodbye, ours=False)
    assert pair.wire.far.take() == b""


def test_a_lease_is_believed_only_of_who_may_lead() -> None:
    pair = Pair().talk()
    _, events = hello(pair, controller(instance="c2", lease=99), leads=False)
    assert [type(event) for event in events] == [Opened]
    assert pair.door.leases == {"state": 1}


def test_an_agent_remembers_leases_from_disk() -> None:
    door = doorway(state=7)
    link = door.connect("control", 0.0, leads=True)
    events = door.receive(link, controller(lease=6).connect(0.0).take(), 0.0)
    assert reasons(events) == [("stale-lease", True)]


# negotiation


@pytest.mark.parametrize(("least", "most", "version"), [(1, 1, 1), (1, 9, 1), (2, 9, 0)])
def test_the_highest_version_that_both_speak_is_used_or_none(
    least: int, most: int, version: int
) -> None:
    door = doorway()
    near = controller()
    near.me = dataclasses.replace(near.me, least=least, most=most)
    link = door.connect("control", 0.0, leads=True)
    wire = Wire(near.connect(0.0), link)
    events = door.receive(link, wire.near.take(), 0.0)
    told = [*events, *near.receive(wire.near, link.take(), 0.0)]
    if version:
        assert {e.version for e in told if isinstance(e, Opened)} == {version}
    else:
        assert reasons(told) == [("version", True), ("version", False)]


def test_a_name_that_is_not_that_of_the_certificate_is_refused_on_both_ends() -> None:
    door = doorway()
    link = door.connect("mallory", 0.0, leads=True)
    assert reasons(door.receive(link, controller().connect(0.0).take(), 0.0)) == [
        ("wrong-name", True)
    ]
    near = controller()
    near.peer = "web-2"
    link = door.connect("control", 0.0, leads=True)
    mine = near.connect(0.0)
    door.receive(link, mine.take(), 0.0)
    assert reasons(near.receive(mine, link.take(), 0.0)) == [("wrong-name", True)]


def test_both_ways_of_dialling_carry_the_same_bytes() -> None:
    def carried(*, agent_first: bool) -> tuple[bytes, bytes]:
        near, door = controller(), doorway()
        if agent_first:
            far = door.connect("control", 0.0, leads=True)
            wire = Wire(near.connect(0.0), far)
        else:
            mine = near.connect(0.0)
            wire = Wire(mine, door.connect("control", 0.0, leads=True))
        assert wire.far.take() == b""  # the controller speaks first
        down = wire.near.take()
        door.receive(wire.far, down, 0.0)
        up = wire.far.take()
        near.receive(wire.near, up, 0.0)
        near.request(GetSize(path="/a"))
        return down + wire.near.take(), up

    assert carried(agent_first=True) == carried(agent_first=False)


# what this side can not do


def test_the_wrong_side_the_wrong_manner_and_the_wrong_answer_are_bugs() -> None:
    pair = Pair().talk()
    for wrong in (
        lambda: pair.far.request(GetSize(path="/a")),
        lambda: pair.near.notify(GetSize(path="/a")),
        lambda: pair.near.request(Size(size=1)),
    ):
        with pytest.raises(TypeError):
            wrong()
    call = pair.near.request(GetSize(path="/a"))
    pair.settle()
    with pytest.raises(TypeError):
        pair.far.reply(call, Done())
    pair.far.reply(call, Failed(code="no-space", message="the disk is full"))
    pair.settle()
    assert pair.near_events == [
        Replied(call=call, message=Failed(code="no-space", message="the disk is full"))
    ]


def test_what_does_not_fit_is_refused_here_and_costs_nothing() -> None:
    pair = Pair().talk()
    with pytest.raises(OversizeError):
        pair.near.request(Start(id="a", job="j", text=bytes(LIMITS.payload + 1)))
    with pytest.raises(OversizeError):
        pair.near.request(GetSize(path="x" * LIMITS.header))
    call = pair.near.request(GetSize(path="/a"))
    pair.settle()
    assert [e.call for e in pair.far_events if isinstance(e, Requested)] == [call]


def test_requests_without_a_reply_are_bounded_and_room_is_told() -> None:
    pair = Pair(SMALL).talk()
    calls = [pair.near.request(GetSize(path="/a")) for _ in range(SMALL.requests)]
    with pytest.raises(WindowFullError):
        pair.near.request(GetSize(path="/a"))
    pair.settle()
    pair.far.reply(calls[0], Size(size=1))
    pair.settle()
    assert Room() in pair.near_events
    pair.near.request(GetSize(path="/a"))


def test_messages_to_a_peer_that_is_away_are_bounded() -> None:
    pair = Pair(SMALL)
    for number in range(SMALL.messages):
        pair.near.notify(Noted(number=number))
    assert pair.near.can_send is False
    with pytest.raises(WindowFullError):
        pair.near.notify(Noted(number=0))
    pair.settle()
    pair.now = 1.0
    pair.door.tick(1.0)
    pair.settle()
    pair.near.notify(Noted(number=0))
    assert Room() in pair.near_events
    assert len([e for e in pair.far_events if isinstance(e, Notified)]) == SMALL.messages


# streams


def test_output_flows_as_the_reader_grants_with_its_gaps_and_its_end() -> None:
    pair = Pair().talk()
    stream = pair.near.open(OpenOutput(attempt="j.a.1", offset=5))
    pair.settle()
    assert pair.far_events == [
        StreamOpened(stream=stream, message=OpenOutput(attempt="j.a.1", offset=5))
    ]
    assert pair.far.room(stream) == 0
    with pytest.raises(WindowFullError):
        pair.far.send(stream, b"x")
    pair.near.grant(stream, 10)
    pair.settle()
    assert pair.far_events[-1] == StreamRoom(stream=stream)
    pair.far.send(stream, b"abc")
    pair.far.send(stream, b"defghij", gap=100)
    with pytest.raises(WindowFullError):
        pair.far.send(stream, b"k")
    digest = hashlib.sha256(b"all").hexdigest()
    pair.far.end(stream, length=115, sha256=digest)
    pair.settle()
    assert pair.near_events == [
        StreamData(stream=stream, offset=5, gap=0, data=b"abc"),
        StreamData(stream=stream, offset=108, gap=100, data=b"defghij"),
        StreamEnded(stream=stream, length=115, sha256=digest),
    ]
    with pytest.raises(UnknownCallError):
        pair.far.send(stream, b"")


def test_input_flows_the_other_way() -> None:
    pair = Pair().talk()
    stream = pair.near.open(OpenInput(attempt="j.a.1"))
    pair.settle()
    pair.far.grant(stream, 4)
    pair.settle()
    assert pair.near.room(stream) == 4
    pair.near.send(stream, b"yes\n")
    pair.near.end(stream)
    pair.settle()
    assert StreamData(stream=stream, offset=0, gap=0, data=b"yes\n") in pair.far_events


@pytest.mark.parametrize("canceller", ["near", "far"])
def test_either_side_may_cancel_a_stream_and_late_bytes_are_dropped(canceller: str) -> None:
    pair = Pair().talk()
    stream = pair.near.open(OpenOutput(attempt="j.a.1", follow=True))
    pair.near.grant(stream, 1000)
    pair.settle()
    pair.near_events.clear()
    pair.far.send(stream, b"on its way")
    who, other = (pair.near, pair.far) if canceller == "near" else (pair.far, pair.near)
    who.cancel(stream, code="enough", message="seen it")
    pair.settle()
    told = pair.far_events if canceller == "near" else pair.near_events
    assert told[-1] == StreamCancelled(stream=stream, code="enough", message="seen it")
    other.cancel(stream)
    other.grant(stream, 1)
    pair.settle()
    assert pair.near.link is not None
    if canceller == "near":
        assert not [e for e in pair.near_events if isinstance(e, StreamData)]


def test_a_slow_reader_of_one_stream_holds_up_nothing_else_and_no_memory() -> None:
    pair = Pair(SMALL).talk()
    slow = pair.near.open(OpenOutput(attempt="slow"))
    pair.near.grant(slow, 1 << 30)
    pair.settle()
    sent = 0
    while room := pair.far.room(slow):
        pair.far.send(slow, bytes(room))
        sent += room
        pair.settle()
        pair.door.tick(pair.now)
    assert sent == SMALL.credit + 0 or sent <= SMALL.window
    call = pair.near.request(GetSize(path="/a"))
    pair.settle()
    assert pair.far_events[-1] == Requested(call=call, message=GetSize(path="/a"))


def test_streams_are_bounded() -> None:
    pair = Pair(SMALL).talk()
    streams = [pair.near.open(OpenOutput(attempt="a")) for _ in range(SMALL.streams)]
    with pytest.raises(WindowFullError):
        pair.near.open(OpenOutput(attempt="a"))
    pair.near.cancel(streams[0])
    pair.near.open(OpenOutput(attempt="a"))


# time


def test_heartbeats_carry_the_state_of_the_machine_and_are_answered() -> None:
    pair = Pair().talk()
    pair.now = LIMITS.heartbeat * 1.3
    assert BeatDue() in [event for _, event in pair.door.tick(pair.now)]
    state = HostState(cpu=0.5, load=(0.1, 0.2, 0.3), running=1)
    pair.far.heartbeat(state, pair.now)
    pair.now += 0.25
    pair.settle()
    assert Beat(number=1, state=state) in pair.near_events
    assert not state.idle
    assert pair.far_events == [BeatAnswered(number=1, took=0.25)]


def test_heartbeats_are_spread_over_a_fifth_of_their_interval() -> None:
    sessions = [controller() for _ in range(200)]
    for number, session in enumerate(sessions):
        session._pulse.me = dataclasses.replace(session.me, name=f"web-{number}")
    times = [session._pulse.interval() for session in sessions]
    assert min(times) >= 0.8 * LIMITS.heartbeat
    assert max(times) <= 1.2 * LIMITS.heartbeat
    assert max(times) - min(times) > 0.3 * LIMITS.heartbeat


def test_a_silent_peer_is_given_up_at_its_deadline_and_not_before() -> None:
    pair = Pair().talk()
    assert pair.near.deadline() == LIMITS.silence
    assert pair.near.tick(LIMITS.silence - 0.1) == []
    assert reasons(pair.near.tick(LIMITS.silence)) == [("silent", True)]
    assert pair.near.deadline() is None


def test_a_peer_that_lives_but_never_acknowledges_is_given_up() -> None:
    pair = Pair().talk()
    pair.near.notify(Noted(number=1))
    pair.wire.near.take()
    pair.near.tick(0.0)
    now = 0.0
    told: list[Event] = []
    while pair.near.link is not None and now < 60:
        now += 1.0
        pair.wire.near.heard = now  # heartbeats go on
        told = pair.near.tick(now)
    assert now == LIMITS.acknowledgement
    assert reasons(told) == [("silent", True)]


def test_a_connection_that_never_greets_is_given_up() -> None:
    pair = Pair()
    assert pair.near.deadline() == pair.door.deadline() == LIMITS.greeting
    assert reasons(pair.near.tick(LIMITS.greeting)) == [("late", True)]
    assert reasons([e for _, e in pair.door.tick(LIMITS.greeting)]) == [("late", True)]
    assert pair.wire.far.take().count(b"late") == 1


def test_an_acknowledgement_waits_for_company_but_not_long() -> None:
    pair = Pair().talk()
    pair.near.notify(Noted(number=1))
    pair.door.receive(pair.wire.far, pair.wire.near.take(), 1.0)
    assert pair.wire.far.take() == b""
    assert pair.door.deadline() == 1.0 + LIMITS.delay
    pair.door.tick(1.0 + LIMITS.delay)
    pair.near.receive(pair.wire.near, pair.wire.far.take(), 1.3)
    assert len(pair.near._talk.outbox) == 0


# goodbyes and breaches


def test_a_goodbye_ends_the_connection_and_keeps_the_session() -> None:
    pair = Pair().talk()
    assert reasons(pair.near.close(Goodbye(reason="closing"))) == [("closing", True)]
    pair.load(pair.wire)
    pair.carry(pair.wire, 0, 1 << 20)
    assert reasons(pair.far_events) == [("closing", False)]
    pair.dial()
    pair.settle()
    assert [e.resumed for e in pair.near_events if isinstance(e, Opened)] == [True]


def message(
    pair: Pair, header: bytes, payload: bytes = b"", *, seq: int = 1, ack: int = 0
) -> list[Event]:
    """Let the agent get a message that no good controller sends."""
    frame = Frame(type=FrameType.MESSAGE, seq=seq, ack=ack, header=header, payload=payload)
    return pair.door.receive(pair.wire.far, encode_frame(frame), pair.now)


@pytest.mark.parametrize(
    ("header", "options", "code"),
    [
        (b'{"kind":"noted","number":1}', {"seq": 2}, "gap"),
        (b'{"kind":"noted","number":1}', {"ack": 1}, "bad-ack"),
        (b"{}", {}, "bad-header"),
        (b'{"kind":"get-size","call":0,"path":"/"}', {}, "bad-call"),
        (b'{"kind":"failed","answer":1,"code":"x"}', {}, "bad-answer"),
        (b'{"kind":"open-output","stream":2,"attempt":"a"}', {}, "bad-stream"),
        (b'{"kind":"chunk","stream":1,"offset":0,"crc":0}', {}, "bad-stream"),
        (b'{"kind":"chunk","stream":1,"offset":"0"}', {}, "malformed"),
        (b'{"kind":"goodbye","reason":"closing"}', {}, "bad-manner"),
    ],
)
def test_a_breach_ends_the_connection_with_its_reason_and_begins_anew(
    header: bytes, options: dict[str, Any], code: str
) -> None:
    pair = Pair().talk()
    call = pair.near.request(WaitAttempt(attempt="a"))
    events = message(pair, header, **options)
    (closed,) = [event for event in events if isinstance(event, Closed)]
    assert closed.goodbye.reason == "protocol"
    assert closed.goodbye.message.startswith(f"{code}: ")
    assert isinstance(events[-1], Reset)
    pair.near_events += pair.near.receive(pair.wire.near, pair.wire.far.take(), 0.0)
    assert Reset(requests=(call,), streams=()) in pair.near_events
    pair.dial()
    pair.settle()
    assert [e.resumed for e in pair.near_events if isinstance(e, Opened)] == [False]


@pytest.mark.parametrize(
    ("chunk", "data", "code"),
    [
        (b'"offset":0,"crc":0', b"abc", "bad-crc"),
        (b'"offset":1,"crc":891568578', b"abc", "bad-chunk"),
        (b'"offset":1,"gap":2,"crc":891568578', b"abc", "bad-chunk"),
        (b'"offset":0,"crc":2968466532', b"abcde", "no-credit"),
    ],
)
def test_a_chunk_that_is_not_the_next_granted_bytes_is_a_breach(
    chunk: bytes, data: bytes, code: str
) -> None:
    pair = Pair().talk()
    stream = pair.near.open(OpenInput(attempt="a"))
    pair.settle()
    pair.far.grant(stream, 4)
    size = str(len(data)).encode()
    header = b'{"kind":"chunk","stream":1,"data":' + size + b"," + chunk + b"}"
    events = message(pair, header, data, seq=2)
    assert [e.goodbye.message.split(":")[0] for e in events if isinstance(e, Closed)] == [code]


def test_a_kind_that_is_not_known_is_answered_and_the_session_goes_on() -> None:
    pair = Pair().talk()
    pair.near._talk.calls.ask(Done)
    pair.near._talk.streams.open(None, 0)
    pair.near._talk.outbox.add(b'{"kind":"reboot","call":1,"at":"noon"}', b"")
    pair.near._talk.outbox.add(b'{"kind":"open-camera","stream":1}', b"")
    pair.near.grant(1, 1000)
    pair.near._talk.outbox.add(b'{"kind":"chatter"}', b"")
    pair.near._talk.outbox.add(b'{"kind":"changed","number":1}', b"")
    pair.near._talk.outbox.add(b'{"kind":"noted","number":"1"}', b"")
    pair.settle()
    assert pair.far_events == []
    assert pair.near_events == [
        Replied(call=1, message=Unsupported(of="reboot")),
        StreamCancelled(stream=1, code="unsupported", message=""),
        Notified(message=Unsupported(of="chatter")),
        Notified(message=Unsupported(of="changed", why="direction")),
        Notified(
            message=Unsupported(
                of="noted", why="malformed", message="number is not a whole number from 0"
            )
        ),
    ]
    call = pair.near.request(GetSize(path="/a"))
    pair.settle()
    assert pair.far_events == [Requested(call=call, message=GetSize(path="/a"))]


def test_a_peer_that_says_too_much_nonsense_is_broken() -> None:
    pair = Pair().talk()
    for _ in range(LIMITS.refusals + 1):
        pair.near._talk.outbox.add(b'{"kind":"chatter"}', b"")
    pair.settle()
    assert ("protocol", True) in reasons(pair.far_events)


def test_more_requests_than_were_allowed_are_a_breach() -> None:
    pair = Pair(SMALL).talk()
    events: list[Event] = []
    for number in range(SMALL.requests + 1):
        header = b'{"kind":"get-size","path":"/","call":%d}' % (number + 1)
        events = message(pair, header, seq=number + 1)
    (closed,) = [event for event in events if isinstance(event, Closed)]
    assert closed.goodbye.message.startswith("too-many-calls")


def test_connections_without_a_hello_are_bounded() -> None:
    door = doorway()
    links = [door.connect("control", 0.0, leads=True) for _ in range(LIMITS.greetings + 1)]
    assert links[-1].closed == Goodbye(reason="busy")
    assert links[0].closed is None


@pytest.mark.parametrize("which", ["sessions", "sessions_each"])
def test_sessions_are_bounded_and_those_without_a_connection_make_room(which: str) -> None:
    limits = dataclasses.replace(LIMITS, **{which: 2})
    door = doorway(limits)

    def knock(instance: str) -> tuple[Link, list[Event]]:
        link = door.connect("control", 0.0, leads=True)
        return link, door.receive(link, controller(instance=instance).connect(0.0).take(), 0.0)

    knock("c1")
    second, _ = knock("c2")
    assert reasons(knock("c3")[1]) == [("busy", True)]
    door.lost(second)
    assert reasons(knock("c4")[1]) == []
    assert {key[1] for key in door._guests} == {"c1", "c4"}


def test_news_and_their_receipt_go_through() -> None:
    pair = Pair().talk()
    news = Changed(number=3, attempt="j.a.1", job="j", phase="ended", at=1.5)
    pair.far.notify(news)
    pair.near.notify(Noted(number=3))
    pair.settle()
    assert pair.near_events == [Notified(message=news)]
    assert pair.far_events == [Notified(message=Noted(number=3))]


def test_a_quiet_time_is_no_stall() -> None:
    pair = Pair().talk()
    pair.near.notify(Noted(number=1))
    pair.settle()
    pair.door.tick(1.0)
    pair.settle()
    pair.near.tick(1.0)
    pair.wire.near.heard = 80.0
    pair.near.notify(Noted(number=2))
    assert pair.near.tick(80.1) == []
    assert pair.near.deadline() == 80.1 + LIMITS.acknowledgement


def test_a_late_answer_to_a_lost_session_answers_nothing_in_the_next() -> None:
    pair = Pair().talk()
    old = pair.near.request(GetSize(path="/old"))
    pair.settle()
    message(pair, b"{}", seq=2)
    pair.near_events += pair.near.receive(pair.wire.near, pair.wire.far.take(), 0.0)
    pair.dial()
    new = pair.near.request(GetSize(path="/new"))
    stream = pair.near.open(OpenOutput(attempt="a"))
    pair.settle()
    assert new > old
    with pytest.raises(UnknownCallError):
        pair.far.reply(old, Size(size=1))
    pair.far.reply(new, Size(size=2))
    pair.settle()
    assert pair.near_events[-1] == Replied(call=new, message=Size(size=2))
    assert stream == 1


def test_bytes_on_a_closed_connection_are_not_kept() -> None:
    pair = Pair().talk()
    pair.near.close(Goodbye(reason="closing"))
    before = pair.wire.near.decoder.held
    for _ in range(10):
        assert pair.near.receive(pair.wire.near, bytes(1000), 0.0) == []
    assert pair.wire.near.decoder.held == before


def test_a_writer_that_found_no_room_is_told_of_it() -> None:
    pair = Pair(SMALL).talk()
    streams = [pair.near.open(OpenOutput(attempt="a")) for _ in range(3)]
    for stream in streams:
        pair.near.grant(stream, 1 << 20)
    pair.settle()
    for stream in streams:
        while room := pair.far.room(stream):
            pair.far.send(stream, bytes(room))
    assert pair.far.room(streams[-1]) == 0
    pair.far_events.clear()
    pair.settle()
    pair.near.tick(0.0)
    pair.now = 1.0
    pair.near.tick(1.0)
    pair.settle()
    assert Room() in pair.far_events


def test_a_welcome_that_comes_after_a_later_one_changes_nothing() -> None:
    pair = Pair().talk()
    first = pair.dial()
    pair.load(first)
    pair.carry(first, 0, 1 << 20)
    pair.load(first)
    second = pair.dial()
    pair.settle()
    assert pair.near.link is second.near
    pair.carry(first, 1 << 20, 0)
    assert pair.near.link is second.near
    assert reasons(pair.near_events)[-1] == ("evicted", True)


def test_a_fresh_session_whose_welcome_was_lost_is_gone_on_with_from_its_first_message() -> None:
    pair = Pair().talk()
    pair.far.notify(Changed(number=1, attempt="a", job="j", phase="running"))
    pair.settle()
    pair.cut()
    pair.door = doorway()  # the agent was restarted
    lost = pair.dial()
    pair.load(lost)
    pair.carry(lost, 0, 1 << 20)
    session = pair.far
    news = Changed(number=2, attempt="a", job="j", phase="ended")
    session.notify(news)
    pair.cut()
    pair.near_events.clear()
    pair.dial()
    pair.settle()
    assert pair.far is session
    assert [type(event) for event in pair.near_events] == [Reset, Opened, Notified]
    assert pair.near_events[-1] == Notified(message=news)
