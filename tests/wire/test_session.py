"""Sessions: the handshake, requests, streams, resumption, limits and time."""

import pytest

from controller.wire.errors import UnknownCallError
from controller.wire.events import (
    Opened,
    Replied,
    Requested,
    Reset,
)
from controller.wire.messages.attempts import Attempt, Start
from controller.wire.messages.files import GetSize, Size
from tests.wire.ends import Pair


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
    opened = list(pair.said(Opened, Reset))
    assert [getattr(e, "resumed", None) for e in opened] == [True, True]
    assert [e for e in pair.far_events if isinstance(e, Requested)] == [
        Requested(call=call, message=GetSize(path="/a"))
    ]
    pair.far.reply(call, Size(size=None))
    pair.settle()
    assert pair.near_events[-1] == Replied(call=call, message=Size(size=None))
