"""Pins: the SHA-256 of an authority's public key, by which it is recognised before anything of it is believed.

`enrolling` calls it. Python's own library reads no certificates, so the one field is found here, in DER (X.690) as RFC 5280, 4.1,
lays it out: a certificate is a sequence that begins with what is signed, and that is a sequence whose seventh member, after an
optional version, is the public key. Pure.
"""

from __future__ import annotations

import hashlib
import re
import ssl

MOST = 16
"""Certificates of a bundle that are looked at."""
PIN = re.compile(r"sha256:[0-9a-f]{64}")
SEQUENCE, VERSION = 0x30, 0xA0
LONG = 0x80
BEFORE_KEY = 5
"""Members between version and key: serial, signature, issuer, validity, subject."""
_BLOCK = re.compile(
    r"-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]{1,20000}?-----END CERTIFICATE-----"
)


def find_pinned(bundle: str, pin: str) -> str | None:
    """Give the one certificate of a bundle, in PEM, whose public key has this pin; None when there is none.

    Args:
        bundle: certificates in PEM, from whomever.
        pin: as `ctl pki show ca` tells it.
    """
    for block in _BLOCK.findall(bundle)[:MOST]:
        try:
            found = pin_of(ssl.PEM_cert_to_DER_cert(block))
        except (ValueError, IndexError):
            continue  # a stranger may send anything
        if found == pin:
            return str(block) + "\n"
    return None


def pin_of(certificate: bytes) -> str:
    """Give the pin of a certificate in DER.

    Raises:
        ValueError: it is no certificate.
    """
    signed = _inside(_inside(certificate))
    rest = _after(signed) if signed[0] == VERSION else signed
    for _ in range(BEFORE_KEY):
        rest = _after(rest)
    if rest[0] != SEQUENCE:
        raise ValueError("has no public key where one must be")
    return f"sha256:{hashlib.sha256(rest[: len(rest) - len(_after(rest))]).hexdigest()}"


def _inside(data: bytes) -> bytes:
    """Give what is in the sequence that data begins with."""
    if data[0] != SEQUENCE:
        raise ValueError("is no sequence")
    start, end = _span(data)
    return data[start:end]


def _after(data: bytes) -> bytes:
    """Give what follows the value that data begins with."""
    return data[_span(data)[1] :]


def _span(data: bytes) -> tuple[int, int]:
    """Say where the first value's content begins and ends."""
    length, start = data[1], 2
    if length & LONG:
        count = length & ~LONG
        start += count
        length = int.from_bytes(data[2:start], "big")
    if start + length > len(data) or start > len(data):
        raise ValueError("ends too soon")
    return start, start + length
