"""Messages to header and payload, and back: the envelope around every record.

`session` and `handshake` call it; it calls `forms` and the table of kinds. The header is a JSON object: the fields of the
record, its `kind`, and where it belongs: `call` numbers a request, `answer` the request that a reply is for, `stream` a stream.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from controller.wire.checks import check_count, check_text
from controller.wire.errors import OversizeError, ProtocolError
from controller.wire.forms import form_of
from controller.wire.messages.table import BY_NAME, BY_RECORD, Kind
from controller.wire.record import record

ENVELOPE: Final = ("kind", "call", "answer", "stream")
NAME_LENGTH: Final = 64
_PLACES: Final = frozenset(ENVELOPE[1:])
_encode: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_decode: Final = json.JSONDecoder().decode


@record
class Envelope:
    """What a header says before its message is read; `kind` is None where the name is not known here."""

    name: str
    fields: Mapping[str, object]
    payload: bytes = b""
    kind: Kind | None = None
    call: int = 0
    answer: int = 0
    stream: int = 0


def pack(
    message: object, *, call: int = 0, answer: int = 0, stream: int = 0
) -> tuple[bytes, bytes]:
    """Give the header and the payload of a message.

    Raises:
        OversizeError: a value can't be written at all.
    """
    kind = BY_RECORD[type(message)]
    header: dict[str, object] = {"kind": kind.name}
    if call:
        header["call"] = call
    if answer:
        header["answer"] = answer
    if stream:
        header["stream"] = stream
    try:
        fields, payload = form_of(kind.record).write(message)
        header.update(fields)
        return _encode(header).encode(), payload
    except ValueError as wrong:
        raise OversizeError(f"cannot write a message of kind {kind.name}: {wrong}") from None


def unpack(header: bytes, payload: bytes) -> Envelope:
    """Read the envelope of a frame.

    Raises:
        ProtocolError: the header is no JSON object with a kind and good numbers.
    """
    try:
        fields = _read_object(header)
        name = check_text(fields.get("kind"))
        numbers = {place: check_count(fields[place]) for place in _PLACES & fields.keys()}
    except (ValueError, RecursionError) as wrong:
        words = f"a header can't be read: {type(wrong).__name__}"
        raise ProtocolError("bad-header", words) from None
    if not 0 < len(name) <= NAME_LENGTH or len(numbers) > 1:
        raise ProtocolError("bad-header", "a header has no kind, or belongs to several things")
    return Envelope(name=name, fields=fields, payload=payload, kind=BY_NAME.get(name), **numbers)


def _read_object(header: bytes) -> dict[str, object]:
    fields = _decode(header.decode())
    if not isinstance(fields, dict):
        raise ValueError("a header is an object")  # noqa: TRY004 - as for all that a peer writes
    return fields


def read_message(envelope: Envelope) -> object:
    """Read the message in an envelope whose kind is known.

    Raises:
        ValueError: a field is missing or of another type; the message names it.
    """
    if envelope.kind is None:
        raise ValueError("is of no known kind")
    try:
        message: object = form_of(envelope.kind.record).read(envelope.fields, envelope.payload)
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    return message
