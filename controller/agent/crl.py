"""The serials in revocation lists, for connections that are open already; of new ones OpenSSL reads the lists itself.

`tls` calls it. A reader of just so much DER as it takes (RFC 5280, 5.1): signatures are not looked at, for a serial too many only
closes a connection, and the folder is one that only root and the agent's own user can write to. Pure.
"""

from __future__ import annotations

import binascii
import re

from controller.agent.errors import AgentError

_BLOCK = re.compile(rb"-----BEGIN X509 CRL-----([A-Za-z0-9+/=\s]*)-----END X509 CRL-----")
_INTEGER, _SEQUENCE, _TIMES = 0x02, 0x30, frozenset({0x17, 0x18})
_LONG = 0x80


def read_serials(pem: bytes) -> frozenset[str]:
    """Give what the lists in a file revoke, as upper-case hex with an even number of digits.

    Raises:
        AgentError: there is no list in it, or it is damaged.
    """
    blocks = _BLOCK.findall(pem)
    if not blocks:
        raise AgentError("there is no revocation list in it")
    try:
        return frozenset(serial for block in blocks for serial in _of_list(_decoded(block)))
    except (IndexError, ValueError) as error:
        raise AgentError("a revocation list in it is damaged") from error


def _decoded(block: bytes) -> bytes:
    return binascii.a2b_base64(block)


def _of_list(der: bytes) -> list[str]:
    (_, signed), *_ = _parts(der)
    (_, listed), *_ = _parts(signed)
    parts = _parts(listed)
    last_time = max(place for place, (tag, _) in enumerate(parts) if tag in _TIMES)
    if last_time + 1 >= len(parts) or parts[last_time + 1][0] != _SEQUENCE:
        return []  # nobody is revoked
    entries = [_parts(entry)[0] for _, entry in _parts(parts[last_time + 1][1])]
    if any(tag != _INTEGER for tag, _ in entries):
        raise ValueError("an entry does not begin with a serial")
    return [_text(value) for _, value in entries]


def _text(value: bytes) -> str:
    digits = value.lstrip(b"\0").hex().upper()
    return digits or "00"


def _parts(der: bytes) -> list[tuple[int, bytes]]:
    """Part what stands beside each other: tag and value of each."""
    found = []
    at = 0
    while at < len(der):
        tag, size, at = der[at], der[at + 1], at + 2
        if size >= _LONG:
            width = size - _LONG
            size, at = int.from_bytes(der[at : at + width], "big"), at + width
        if at + size > len(der):
            raise ValueError("a part is longer than what holds it")
        found.append((tag, der[at : at + size]))
        at += size
    return found
