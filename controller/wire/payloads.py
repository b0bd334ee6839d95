"""Bytes of a record: what of them stands in the header (lengths), and how they lie in the payload.

`forms` calls it; `messages` uses the names `Environment` and `Blobs` as annotations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from controller.wire.checks import check_count, check_object
from controller.wire.record import record

Environment = Mapping[str, str]
"""Environment variables: large and secret values, so they travel as payload, as in /proc/PID/environ, and need be no UTF-8."""
Blobs = Mapping[str, bytes]
"""Bytes by name: an object of lengths in the header."""


@record
class Packing:
    """How one kind of bytes is written and read.

    `write` gives what stands in the header, and the bytes; `measure` the number of bytes that a header announces;
    `read` the value, of the header and exactly these bytes. All raise ValueError.
    """

    write: Callable[[object], tuple[object, bytes]]
    measure: Callable[[object], int]
    read: Callable[[object, bytes], object]


def _lengths(announced: object) -> dict[str, int]:
    lengths = check_object(check_count)(announced)
    if not isinstance(lengths, dict):
        raise TypeError("an object is a dict")
    return lengths


def _measure_one(announced: object) -> int:
    return check_count(announced)


def _measure_blobs(announced: object) -> int:
    return sum(_lengths(announced).values())


def _write_bytes(value: object) -> tuple[object, bytes]:
    if not isinstance(value, bytes):
        raise TypeError("bytes are expected")
    return len(value), value


def _read_bytes(_announced: object, data: bytes) -> bytes:
    return data


def _write_environment(value: object) -> tuple[object, bytes]:
    if not isinstance(value, Mapping):
        raise TypeError("a mapping is expected")
    for name, content in value.items():
        if not name or "=" in name or "\0" in name or "\0" in content:
            raise ValueError("is no environment")
    data = b"".join(
        f"{name}={content}\0".encode("utf-8", "surrogateescape") for name, content in value.items()
    )
    return len(data), data


def _read_environment(_announced: object, data: bytes) -> dict[str, str]:
    *entries, rest = data.decode("utf-8", "surrogateescape").split("\0")
    pairs = [entry.partition("=") for entry in entries]
    if rest or not all(name and equals for name, equals, _ in pairs):
        raise ValueError("is no environment")
    return {name: content for name, _, content in pairs}


def _write_blobs(value: object) -> tuple[object, bytes]:
    if not isinstance(value, Mapping):
        raise TypeError("a mapping is expected")
    return {name: len(data) for name, data in value.items()}, b"".join(value.values())


def _read_blobs(announced: object, data: bytes) -> dict[str, bytes]:
    blobs = {}
    place = 0
    for name, length in _lengths(announced).items():
        blobs[name] = data[place : place + length]
        place += length
    return blobs


PACKINGS: Final[Mapping[str, Packing]] = {
    "bytes": Packing(write=_write_bytes, measure=_measure_one, read=_read_bytes),
    "Environment": Packing(write=_write_environment, measure=_measure_one, read=_read_environment),
    "Blobs": Packing(write=_write_blobs, measure=_measure_blobs, read=_read_blobs),
}
"""By annotation."""
