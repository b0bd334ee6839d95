"""Renewal on the wire: agents ask, controllers answer, and peers of another version are none the worse for it."""

from __future__ import annotations

import dataclasses

import pytest

from controller.wire.events import Opened, Replied, Requested
from controller.wire.handshake import Identity
from controller.wire.messages.renewal import FEATURE, Renew, Renewed
from controller.wire.messages.server import Done, Failed, Unsupported
from controller.wire.session import Session
from tests.wire.ends import Pair

ASKED = Renew(request=b"-----BEGIN CERTIFICATE REQUEST-----\n")
GIVEN = Renewed(certificate=b"one", authority=b"two and three")


def meet(near: tuple[str, ...], far: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Let both ends greet each other with these features; give what each takes for agreed."""
    pair = Pair()
    pair.near = Session(dataclasses.replace(pair.near.me, features=near), "web-1")
    me: Identity = dataclasses.replace(pair.door._me, features=far)
    pair.door._me = me
    pair.dial()
    pair.settle()
    (here,) = [e for e in pair.near_events if isinstance(e, Opened)]
    (there,) = [e for e in pair.far_events if isinstance(e, Opened)]
    return here.features, there.features


def test_the_feature_is_agreed_only_where_both_have_it() -> None:
    assert meet((FEATURE,), (FEATURE,)) == ((FEATURE,), (FEATURE,))
    assert meet((), (FEATURE,)) == ((), ())
    assert meet((FEATURE,), ()) == ((), ())


def test_an_agent_asks_and_is_answered_once() -> None:
    pair = Pair().talk()
    call = pair.far.request(ASKED)
    pair.settle()
    assert pair.near_events == [Requested(call=call, message=ASKED)]
    pair.near.reply(call, GIVEN)
    pair.settle()
    assert pair.far_events == [Replied(call=call, message=GIVEN)]


@pytest.mark.parametrize(
    "no", [Failed(code="early", message="too early"), Unsupported(of="renew", why="direction")]
)
def test_an_agent_hears_a_no(no: object) -> None:
    pair = Pair().talk()
    call = pair.far.request(ASKED)
    pair.settle()
    pair.near.reply(call, no)
    pair.settle()
    assert pair.far_events == [Replied(call=call, message=no)]


def test_a_lost_connection_loses_neither_question_nor_answer() -> None:
    pair = Pair().talk()
    call = pair.far.request(ASKED)
    pair.load(pair.wire)
    pair.cut()
    pair.dial()
    pair.settle()
    assert [e for e in pair.near_events if isinstance(e, Requested)] == [
        Requested(call=call, message=ASKED)
    ]
    pair.near.reply(call, GIVEN)
    pair.load(pair.wire)
    pair.cut()
    pair.dial()
    pair.settle()
    assert [e for e in pair.far_events if isinstance(e, Replied)] == [
        Replied(call=call, message=GIVEN)
    ]


def test_nobody_asks_or_answers_from_the_wrong_side() -> None:
    pair = Pair().talk()
    with pytest.raises(TypeError, match="cannot send renew"):
        pair.near.request(ASKED)
    call = pair.far.request(ASKED)
    pair.settle()
    with pytest.raises(TypeError, match="cannot answer with Done"):
        pair.near.reply(call, Done())
