"""Bytes of strangers and of broken peers: refused with a reason, in bounded time and memory, never an exception."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from hypothesis import given, settings, strategies as st

from controller.wire.events import Closed, Event
from controller.wire.frames import Frame, FrameType, encode_frame
from controller.wire.limits import LIMITS
from controller.wire.messages.files import GetSize, Size
from controller.wire.messages.greetings import HostState
from controller.wire.messages.news import Changed
from controller.wire.messages.streams import OpenOutput
from controller.wire.messages.table import KINDS
from tests.wire.ends import SMALL, Pair

KIND_NAMES = [kind.name for kind in KINDS]
FIELD_NAMES = [
    "number",
    "call",
    "answer",
    "stream",
    "path",
    "offset",
    "crc",
    "size",
    "data",
    "received",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
HEADERS = st.builds(
    lambda kind, fields: json.dumps({"kind": kind, **fields}).encode(),
    st.sampled_from(KIND_NAMES) | st.text(max_size=8),
    st.dictionaries(
        st.sampled_from(FIELD_NAMES) | st.text(max_size=5), st.integers(0, 3) | JSON, max_size=4
    ),
)


def recorded() -> tuple[bytes, bytes]:
    """Give what both sides said in a conversation of every manner."""
    pair = Pair()
    pair.settle()
    call = pair.near.request(GetSize(path="/etc/hostname"))
    stream = pair.near.open(OpenOutput(attempt="j.a.1"))
    pair.near.grant(stream, 1000)
    pair.settle()
    pair.far.reply(call, Size(size=7))
    pair.far.send(stream, b"output\n" * 20)
    pair.far.end(stream, length=140)
    pair.far.notify(Changed(number=1, attempt="j.a.1", job="j", phase="ended"))
    pair.far.heartbeat(HostState(load=(0.1, 0.2)), 1.0)
    pair.settle()
    return bytes(pair.wire.far_log), bytes(pair.wire.near_log)


DOWN, UP = recorded()


def mutate(data: bytes, changes: list[tuple[int, int, int]]) -> bytes:
    """Change, drop or repeat bytes."""
    changed = bytearray(data)
    for place, what, byte in changes:
        at = place % max(1, len(changed))
        if what == 0:
            changed[at : at + 1] = bytes([byte])
        elif what == 1:
            del changed[at : at + byte]
        else:
            changed[at:at] = changed[at : at + byte]
    return bytes(changed)


CHANGES = st.lists(
    st.tuples(st.integers(0, 5000), st.integers(0, 2), st.integers(0, 255)), max_size=6
)


def check(events: list[Event], data: bytes) -> None:
    assert len(events) <= 2 * len(data) + 4
    assert sum(isinstance(event, Closed) for event in events) <= 1


@settings(max_examples=300, deadline=None)
@given(CHANGES)
def test_a_mutated_controller_never_raises_at_the_agent(
    changes: list[tuple[int, int, int]],
) -> None:
    data = mutate(DOWN, changes)
    pair = Pair()
    check(pair.door.receive(pair.wire.far, data, 0.0), data)
    pair.wire.far.take()
    pair.door.tick(5.0)


@pytest.mark.sweep
@settings(max_examples=300, deadline=None)
@given(CHANGES)
def test_a_mutated_agent_never_raises_at_the_controller(
    changes: list[tuple[int, int, int]],
) -> None:
    data = mutate(UP, changes)
    pair = Pair()
    pair.near.request(GetSize(path="/"))
    pair.near.open(OpenOutput(attempt="j.a.1"))
    check(pair.near.receive(pair.wire.near, data, 0.0), data)
    pair.wire.near.take()
    pair.near.tick(5.0)


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes_never_raise(data: bytes) -> None:
    pair = Pair()
    check(pair.door.receive(pair.wire.far, data, 0.0), data)
    check(pair.near.receive(pair.wire.near, data, 0.0), data)


@pytest.mark.sweep
@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(FrameType), st.booleans(), HEADERS, st.binary(max_size=30)),
        max_size=8,
    ),
    st.booleans(),
)
def test_well_framed_nonsense_never_raises_on_either_side(
    frames: list[tuple[FrameType, bool, bytes, bytes]], to_agent: bool
) -> None:
    pair = Pair(SMALL).talk()
    pair.near.request(GetSize(path="/"))
    pair.near.open(OpenOutput(attempt="j.a.1"))
    pair.settle()
    talk = pair.far._talk if to_agent else pair.near._talk
    seq = talk.received
    data = b""
    for kind, counted, header, payload in frames:
        seq += counted
        number = seq if kind is FrameType.MESSAGE else 0
        data += encode_frame(Frame(type=kind, seq=number, ack=0, header=header, payload=payload))
    if to_agent:
        check(pair.door.receive(pair.wire.far, data, 0.0), data)
    else:
        check(pair.near.receive(pair.wire.near, data, 0.0), data)
    assert len(talk.outbox) <= SMALL.messages * 2
    pair.settle()


def test_a_peer_that_floods_costs_no_memory() -> None:
    pair = Pair().talk()
    beat = b'{"kind":"heartbeat","number":%d,"state":{}}'
    late = b'{"kind":"chunk","stream":1,"offset":0,"crc":0,"data":1000}'
    stream = pair.near.open(OpenOutput(attempt="a"))
    pair.near.cancel(stream)
    tracemalloc.start()
    try:
        for number in range(3000):
            data = encode_frame(Frame(type=FrameType.CONTROL, header=beat % (number + 1)))
            data += encode_frame(
                Frame(type=FrameType.MESSAGE, seq=number + 1, header=late, payload=bytes(1000))
            )
            pair.near.receive(pair.wire.near, data, 0.0)
        used, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert pair.near.link is not None
    assert used < 200_000
    assert peak < 1 << 20
    assert len(pair.wire.near.take()) < LIMITS.window


def test_an_idle_pair_of_ends_is_small() -> None:
    tracemalloc.start()
    try:
        pairs = [Pair().talk() for _ in range(50)]
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used / len(pairs) < 40_000  # both ends, their doorway and the test's own wire
