"""What an agent without a certificate and a controller say to each other: one message each way, then the connection ends.

A message is four bytes of length, the most significant first, and a JSON object: `kind` names it, all its fields are texts.
Both ends call it; no I/O here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Union

from controller.wire.record import record

ALPN = "ctl-enroll/1"
PREFIX = 4
LARGEST = 64 << 10
"""Bytes of a message without its prefix; a request with its token has some 700, an answer some 3,000."""
SECONDS = 10
"""That a controller waits for the message, and then for the end of its answer."""


@record
class AskAuthority:
    """Who signs for you? Asked over a connection that nothing is known of yet."""


@record
class Authority:
    """The authorities, in PEM; the agent looks for the one whose pin it was given."""

    authority: str


@record
class Enroll:
    """Sign the key of this request, in PEM, for this name: the token says that I may ask."""

    token: str
    name: str
    request: str


@record
class Enrolled:
    """The certificate, and every authority to be trusted, in PEM."""

    certificate: str
    authority: str


@record
class Refused:
    """No, and why."""

    code: str
    message: str
    hint: str = ""


Question = Union[AskAuthority, Enroll]
Reply = Union[Authority, Enrolled, Refused]
Message = Union[Question, Reply]
KINDS: Mapping[str, type[Message]] = {
    "ask-authority": AskAuthority,
    "authority": Authority,
    "enroll": Enroll,
    "enrolled": Enrolled,
    "refused": Refused,
}
_WORDS = {kind: word for word, kind in KINDS.items()}


def encode(message: Message) -> bytes:
    """Write a message with its prefix.

    Raises:
        ValueError: it is too large.
    """
    values = {one.name: getattr(message, one.name) for one in fields(message)}
    body = json.dumps({"kind": _WORDS[type(message)], **values}).encode("ascii")
    if len(body) > LARGEST:
        raise ValueError(f"has {len(body)} bytes, more than {LARGEST}")
    return len(body).to_bytes(PREFIX, "big") + body


def read_prefix(prefix: bytes) -> int:
    """Give the length of what follows.

    Raises:
        ValueError: nothing of ours is that long.
    """
    size = int.from_bytes(prefix, "big")
    if not 1 <= size <= LARGEST:
        raise ValueError(f"says {size} bytes, not 1 to {LARGEST}")
    return size


def decode(body: bytes) -> Message:
    """Read a message without its prefix; members that are not known are ignored.

    Raises:
        ValueError: it is none.
    """
    try:
        found = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise ValueError("is no JSON") from None
    kind = KINDS.get(found.get("kind", "")) if _is_plain(found) else None
    if kind is None:
        raise ValueError("is no message of enrolment")
    wanted = {one.name for one in fields(kind)}
    try:
        return kind(**{name: value for name, value in found.items() if name in wanted})
    except TypeError:
        raise ValueError("misses a field") from None


def _is_plain(found: object) -> bool:
    return isinstance(found, dict) and all(isinstance(value, str) for value in found.values())
