"""Frames: any split of the bytes gives the same frames, and garbage ends at its first bad byte."""

import contextlib
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings, strategies as st

from controller.wire.errors import OversizeError, ProtocolError
from controller.wire.frames import PREFIX, Frame, FrameDecoder, FrameType, encode_frame
from controller.wire.limits import Limits

NUMBERS = st.integers(0, (1 << 64) - 1)
FRAMES = st.builds(
    Frame,
    type=st.sampled_from(FrameType),
    seq=NUMBERS,
    ack=NUMBERS,
    header=st.binary(max_size=80),
    payload=st.binary(max_size=200),
)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(places)]


def decode(parts: list[bytes], limits: Limits | None = None) -> tuple[list[Frame], str]:
    """Give the frames before the first bad byte, and the code of what is wrong with it."""
    decoder = FrameDecoder(limits or Limits())
    seen: list[Frame] = []
    try:
        for part in parts:
            for frame in decoder.feed(part):
                seen.append(frame)  # noqa: PERF402 - those before a bad byte count
    except ProtocolError as wrong:
        return seen, wrong.code
    return seen, ""


@given(st.lists(FRAMES, max_size=6), st.lists(st.integers(0, 5000), max_size=12))
def test_any_split_of_the_bytes_gives_the_same_frames(frames: list[Frame], cuts: list[int]) -> None:
    data = b"".join(map(encode_frame, frames))
    assert decode(pieces(data, cuts)) == (frames, "")
    assert decode([bytes([byte]) for byte in data]) == (frames, "")


@given(st.lists(FRAMES, max_size=3), st.binary(max_size=40), st.lists(st.integers(0, 999)))
def test_any_split_of_garbage_gives_the_same_refusal(
    frames: list[Frame], garbage: bytes, cuts: list[int]
) -> None:
    data = b"".join(map(encode_frame, frames)) + garbage
    assert decode(pieces(data, cuts)) == decode([data])


@pytest.mark.parametrize(
    ("place", "byte", "code"),
    [
        (0, 0x16, "bad-magic"),
        (0, ord("G"), "bad-magic"),
        (1, 2, "bad-format"),
        (2, 0, "bad-type"),
        (2, 9, "bad-type"),
        (3, 1, "bad-flags"),
        (4, 1, "header-too-large"),
        (5, 2, "header-too-large"),
        (8, 1, "payload-too-large"),
        (9, 0x11, "payload-too-large"),
    ],
)
def test_the_first_bad_byte_is_refused_and_no_later_one_is_awaited(
    place: int, byte: int, code: str
) -> None:
    good = encode_frame(Frame(type=FrameType.MESSAGE, seq=1))
    bad = good[:place] + bytes([byte])
    assert decode([good[:place]]) == ([], "")
    assert decode([bad]) == ([], code)
    assert decode([bytes([one]) for one in bad]) == ([], code)


def test_what_is_as_large_as_may_be_passes_and_one_byte_more_does_not() -> None:
    limits = Limits(header=10, payload=20)
    full = Frame(type=FrameType.MESSAGE, seq=1, header=b"h" * 10, payload=b"p" * 20)
    assert decode([encode_frame(full, limits)], limits) == ([full], "")
    for header, payload, code in ((11, 0, "header-too-large"), (0, 21, "payload-too-large")):
        large = Frame(type=FrameType.MESSAGE, header=b"h" * header, payload=b"p" * payload)
        with pytest.raises(OversizeError):
            encode_frame(large, limits)
        assert decode([encode_frame(large)], limits) == ([], code)


@settings(max_examples=500)
@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_but_a_protocol_error(data: bytes) -> None:
    decoder = FrameDecoder()
    with contextlib.suppress(ProtocolError):
        list(decoder.feed(data))
    assert decoder.held <= len(data)


def test_only_one_unfinished_frame_is_held() -> None:
    decoder = FrameDecoder()
    data = encode_frame(Frame(type=FrameType.MESSAGE, seq=1, payload=bytes(1000)))
    for _ in range(100):
        list(decoder.feed(data))
    list(decoder.feed(data[:-1]))
    assert decoder.held == len(data) - 1 < PREFIX.size + 1000


def test_a_frame_that_comes_byte_by_byte_takes_linear_time() -> None:
    def seconds(size: int) -> float:
        data = encode_frame(Frame(type=FrameType.MESSAGE, seq=1, payload=bytes(size)))
        decoder = FrameDecoder()
        started = time.process_time()
        found = [
            frame for place in range(len(data)) for frame in decoder.feed(data[place : place + 1])
        ]
        assert len(found) == 1
        return time.process_time() - started

    seconds(1000)
    assert seconds(400_000) < 12 * seconds(100_000)
