"""Frames: a fixed prefix, a JSON header and raw payload bytes; the encoder, and the decoder fed any split of bytes.

`link` calls it; it calls nothing but `limits` and `errors`. Output bytes travel as payload, so they are never quoted or
encoded. A frame, numbers big-endian:

    magic u8 | format u8 | type u8 | flags u8 | header length u32 | payload length u32 | seq u64 | ack u64 | header | payload
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Final

from controller.wire.errors import OversizeError, ProtocolError
from controller.wire.limits import LIMITS, Limits
from controller.wire.record import record

MAGIC: Final = 0xC7
"""No TLS record, HTTP request or text begins so."""
FORMAT: Final = 1
PREFIX: Final = struct.Struct(">4sIIQQ")


class FrameType(IntEnum):
    """Whether a frame counts in the sequence of its session."""

    CONTROL = 1  # greeting, heartbeat, goodbye or, without a header, a bare acknowledgement; never sent again
    MESSAGE = 2  # numbered from 1, sent again until it is acknowledged


_STARTS: Final = {bytes((MAGIC, FORMAT, kind, 0)): kind for kind in FrameType}
_START_RULES: Final = (
    (frozenset({MAGIC}), "bad-magic"),
    (frozenset({FORMAT}), "bad-format"),
    (frozenset(map(int, FrameType)), "bad-type"),
    (frozenset({0}), "bad-flags"),  # reserved
)


@record
class Frame:
    """One frame; `seq` is 0 for control, `ack` the highest number received from the other side so far."""

    type: FrameType
    seq: int = 0
    ack: int = 0
    header: bytes = b""
    payload: bytes = b""


def check_size(header: bytes, payload: bytes, limits: Limits = LIMITS) -> None:
    """Refuse what no frame may hold.

    Raises:
        OversizeError: the header or the payload is too large.
    """
    for name, size, most in (
        ("header", len(header), limits.header),
        ("payload", len(payload), limits.payload),
    ):
        if size > most:
            raise OversizeError(f"cannot send a {name} of {size} bytes, at most {most}")


def encode_prefix(kind: FrameType, seq: int, ack: int, header: bytes, payload: bytes) -> bytes:
    """Write what goes before a header and a payload of checked size."""
    start = bytes((MAGIC, FORMAT, kind, 0))
    return PREFIX.pack(start, len(header), len(payload), seq, ack)


def encode_frame(frame: Frame, limits: Limits = LIMITS) -> bytes:
    """Write a whole frame.

    Raises:
        OversizeError: the header or the payload is larger than a frame may hold.
    """
    check_size(frame.header, frame.payload, limits)
    prefix = encode_prefix(frame.type, frame.seq, frame.ack, frame.header, frame.payload)
    return b"".join((prefix, frame.header, frame.payload))


class FrameDecoder:
    """Turns bytes, however they were split, into frames; holds at most one unfinished frame."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._need = 1  # nothing new can be said before that many bytes are there

    @property
    def held(self) -> int:
        """Bytes that wait for the rest of their frame."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take bytes and give the frames that they finish, then refuse the first bad byte.

        Raises:
            ProtocolError: the bytes are no frames; the decoder is of no use any more.
        """
        buffer, limits = self._buffer, self._limits
        buffer += data
        while len(buffer) >= self._need:
            if len(buffer) < PREFIX.size:
                self._judge()
                self._need = len(buffer) + 1
                return
            start, header, payload, seq, ack = PREFIX.unpack_from(buffer)
            if start not in _STARTS or header > limits.header or payload > limits.payload:
                self._judge()
            self._need = PREFIX.size + header + payload
            if len(buffer) < self._need:
                return
            body = PREFIX.size + header
            frame = Frame(
                type=_STARTS[start],
                seq=seq,
                ack=ack,
                header=bytes(buffer[PREFIX.size : body]),
                payload=bytes(buffer[body : self._need]),
            )
            del buffer[: self._need]
            self._need = 1
            yield frame  # last, so that whoever stops listening here can go on later

    def _judge(self) -> None:
        """Refuse a prefix, whole or not, that no good frame can have."""
        seen = bytes(self._buffer[:12])
        for place, (allowed, code) in enumerate(_START_RULES):
            if place < len(seen) and seen[place] not in allowed:
                raise ProtocolError(code, f"byte {place} of a frame is {seen[place]:#04x}")
        for name, place, most in (
            ("header", 4, self._limits.header),
            ("payload", 8, self._limits.payload),
        ):
            least = int.from_bytes(seen[place : place + 4].ljust(4, b"\0"), "big")
            if least > most:
                raise ProtocolError(
                    f"{name}-too-large", f"a {name} of {least} bytes, at most {most}"
                )
