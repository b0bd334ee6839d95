"""Entries: what can happen to an authority, one line of JSON each.

`ledger` folds them into what is known; `shelf` appends them. A certificate stands in its entry, so that files can be made from it again.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from controller.errors import StateError
from controller.pki.reason import Reason
from controller.pki.role import Role


class KeyPlace(StrEnum):
    """Where the private key of a certificate was made."""

    HERE = "here"
    ELSEWHERE = "elsewhere"  # only a request came in


@dataclass(frozen=True, slots=True, kw_only=True)
class Founded:
    """An authority was made."""

    authority: str
    """The first digits of its key's digest."""
    organisation: str
    serial: str
    fingerprint: str
    not_before: datetime
    not_after: datetime
    certificate: str
    """PEM."""
    at: datetime
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate was signed."""

    serial: str
    name: str
    role: Role
    organisation: str
    alternatives: tuple[str, ...]
    authority: str
    fingerprint: str
    days: int
    not_before: datetime
    not_after: datetime
    key: KeyPlace
    certificate: str
    """PEM."""
    at: datetime
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """A certificate is no longer good."""

    serial: str
    reason: Reason
    at: datetime
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """An authority is no longer trusted."""

    authority: str
    at: datetime
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A revocation list was signed; its number is the number of this line."""

    at: datetime


Entry = Founded | Issued | Revoked | Retired | Listed

_KINDS: Final[dict[str, type[Entry]]] = {
    "founded": Founded,
    "issued": Issued,
    "revoked": Revoked,
    "retired": Retired,
    "listed": Listed,
}
_WORDS: Final = {kind: word for word, kind in _KINDS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """The shape of a line: the word first, so that it can be read by eye and by `grep`."""

    event: str
    entry: msgspec.Raw


def encode(entry: Entry) -> bytes:
    """Write an entry as one line."""
    body = msgspec.Raw(msgspec.json.encode(entry))
    return msgspec.json.encode(_Line(event=_WORDS[type(entry)], entry=body)) + b"\n"


def decode(line: bytes, *, where: str) -> Entry:
    """Read one line.

    Args:
        line: without its line feed.
        where: file and number, for the message.

    Raises:
        StateError: it was never written by this program, or by a newer one.
    """
    try:
        read = msgspec.json.decode(line, type=_Line)
        kind = _KINDS.get(read.event)
        if kind is None:
            raise StateError(f'cannot read {where}: it tells of "{read.event[:40]}"')
        return msgspec.json.decode(read.entry, type=kind)
    except msgspec.MsgspecError as error:
        raise StateError(f"cannot read {where}: {error}") from error
