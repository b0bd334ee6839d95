"""Replies come out of a stream of bytes whatever its pieces, and a hostile stream is bounded."""

import itertools
import re

import pytest
from hypothesis import given, strategies as st

from controller.errors import RefusedError
from controller.transport.protocol import (
    ATTEMPT,
    BODY_LIMIT,
    LINE_LIMIT,
    NAME,
    NOISE_LIMIT,
    USER,
    VARIABLE,
    Framer,
    ProtocolError,
    Reply,
    check,
)

STREAM = (
    b"Welcome!\nno newline@n0nce 1 phase=running fresh=1\n"
    b"@other 1 phase=ended\n"
    b"@n0nce ! attempt=a.b.1 bytes=5 code=3 msg=cannot  enter /a b=c\n\n@n0\x00"
    b"@n0nce 2 end=1\n"
)
REPLIES = [
    Reply(request="1", fields={"phase": "running", "fresh": "1"}),
    Reply(
        request="!",
        fields={"attempt": "a.b.1", "bytes": "5", "code": "3", "msg": "cannot  enter /a b=c"},
        body=b"\n@n0\x00",
    ),
    Reply(request="2", fields={"end": "1"}),
]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_any_pieces_give_the_same_replies(cuts: list[int]) -> None:
    framer, replies = Framer("n0nce"), list[Reply]()
    edges = [0, *sorted(cuts), len(STREAM)]
    for start, end in itertools.pairwise(edges):
        replies += framer.feed(STREAM[start:end])
    assert replies == REPLIES


@pytest.mark.parametrize(
    "stream",
    [
        b"x" * (LINE_LIMIT + 1),
        b"noise\n" * (NOISE_LIMIT // 6 + 1),
        b"@n 1 bytes=%d\n" % (BODY_LIMIT + 1),
        b"@n 1 bytes=many\n",
        b"@n 1 bytes=-1\n",
    ],
)
def test_a_stream_that_no_runner_sends_is_an_error(stream: bytes) -> None:
    with pytest.raises(ProtocolError):
        list(Framer("n").feed(stream))


def test_a_dash_is_nothing() -> None:
    reply = Reply(request="1", fields={"sha": "-"})
    assert (reply.text("sha"), reply.number("size")) == ("", 0)


@pytest.mark.parametrize("pattern", [ATTEMPT, NAME, USER, VARIABLE])
@pytest.mark.parametrize("value", ["", "../x", "-rf", "a b", "a\n", "a'", "$(id)", "x" * 300, "ä"])
def test_a_name_that_could_mean_more_is_refused(pattern: re.Pattern[str], value: str) -> None:
    with pytest.raises(RefusedError):
        check(pattern, value, "a thing")


@pytest.mark.parametrize("value", ["j0123456789a.deploy.1", "web", "a_b-c.d"])
def test_a_plain_name_passes(value: str) -> None:
    assert check(ATTEMPT, value, "an attempt") == value
