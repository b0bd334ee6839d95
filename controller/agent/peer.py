"""Whom a finished handshake has met, read from the certificate as Python's `ssl` shows it.

`doors` and `dialling` call it. TLS has checked chain, dates, purpose and, for who dials, the name. The controller's `pki` has the
same rules, and a test holds both to each other. Pure.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Collection, Iterable, Mapping
from typing import cast

from controller.agent.asker import Role
from controller.agent.errors import AgentError
from controller.wire.record import record

SERVED: tuple[Role, ...] = ("controller", "admin", "user")
"""Who may dial an agent."""
FOLLOWED: tuple[Role, ...] = ("controller",)
"""Whom an agent dials."""
LONGEST = 64
SUBJECT = {"organizationName": "O", "organizationalUnitName": "OU", "commonName": "CN"}
_PERSON = re.compile(r"[a-z0-9_][a-z0-9._-]{0,62}")
_MACHINE = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._:-]{0,251}[A-Za-z0-9_])?")
_ORGANISATION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._&-]{0,46}[A-Za-z0-9.])?")
_RESERVED = re.compile(r"ca(?:-[0-9a-f]{12})?", re.IGNORECASE)
_ROLES = frozenset({"controller", "admin", "user", "agent"})


@record
class Peer:
    """Who is at the other end; `until` is the UNIX time at which the certificate ends."""

    name: str
    role: Role
    serial: str
    until: float


class PeerError(AgentError):
    """A certificate names nobody, more than one, or somebody who is not expected here."""

    reference = "peer"


def read_peer(found: Mapping[str, object], roles: Collection[Role]) -> Peer:
    """Say whom a certificate names.

    Args:
        found: what `getpeercert` gives.
        roles: who is expected.

    Raises:
        PeerError: it is nobody of these.
    """
    subject = _subject(found)
    name, role = subject["CN"], subject["OU"]
    if role not in _ROLES:
        raise PeerError(f'"{role}" is no role')
    person = role in {"admin", "user"}
    grammar = _PERSON if person else _MACHINE
    if len(name) > LONGEST or not grammar.fullmatch(name) or _RESERVED.fullmatch(name):
        raise PeerError(f'"{name}" is no name for role {role}')
    if not _ORGANISATION.fullmatch(subject["O"]):
        raise PeerError(f"the organisation of {role} {name} is none")
    if role not in roles:
        raise PeerError(f"{role} {name} is not {' or '.join(sorted(roles))}")
    _check_names(found, name, person=person)
    return Peer(
        name=name,
        role=cast("Role", role),
        serial=str(found["serialNumber"]),
        until=float(ssl.cert_time_to_seconds(str(found["notAfter"]))),
    )


def _subject(found: Mapping[str, object]) -> dict[str, str]:
    """Read the distinguished name: O, OU and CN, each exactly once and nothing else."""
    said = [pair for part in _pairs(found.get("subject")) for pair in part]
    for kind, word in SUBJECT.items():
        number = sum(1 for key, _ in said if key == kind)
        if number != 1:
            raise PeerError(f"its certificate has {number} {word}, not one")
    if len(said) != len(SUBJECT):
        raise PeerError("the name on its certificate says more than O, OU and CN")
    return {SUBJECT[key]: value for key, value in said}


def _pairs(subject: object) -> Iterable[Iterable[tuple[str, str]]]:
    return cast("Iterable[Iterable[tuple[str, str]]]", subject or ())


def _check_names(found: Mapping[str, object], name: str, *, person: bool) -> None:
    """Check that a machine carries its own name where TLS looks, and nobody a pattern of names."""
    carried = cast("Iterable[tuple[str, str]]", found.get("subjectAltName") or ())
    names = {(kind, _plain(value)) for kind, value in carried}
    if any("*" in value for _, value in names):
        raise PeerError(f"{name} carries a pattern of names")
    if not person and not {("DNS", name), ("IP Address", _plain(name))} & names:
        raise PeerError(f"{name} does not carry its own name as an alternative name")


def _plain(text: str) -> str:
    """Write an IPv6 address in its one short form."""
    try:
        return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, text.strip()))
    except (OSError, ValueError):
        return text
