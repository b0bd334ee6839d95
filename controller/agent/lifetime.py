"""How long a certificate of this agent lives, when the next is due, and whether that one is what was asked for.

`renewing` calls it; it calls `trial`, for Python's own library shows a certificate only to the other end of a handshake.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from controller.agent.errors import RenewalError
from controller.agent.trial import Trial, try_certificate
from controller.wire.messages.renewal import SHARE
from controller.wire.record import record

SPREAD = 1 / 30
"""Of the life of a certificate, within which a fleet that was set up in one hour asks one by one."""
AUTHORITIES = 16
"""In one bundle."""
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


@record
class Lifetime:
    """Of one certificate: UNIX times, and what the next one has to keep."""

    begins: float
    ends: float
    serial: str
    names: frozenset[tuple[str, str]]

    @property
    def due(self) -> float:
        """When it is to be renewed: with a third of its life left, or a little less."""
        life = self.ends - self.begins
        share = int(self.serial[-4:] or "0", 16) / (1 << 16)
        return self.ends - life * SHARE + life * SPREAD * share

    def check_next(self, other: Lifetime) -> None:
        """Refuse a next certificate that is not longer good, or carries other names.

        Raises:
            RenewalError: it is so.
        """
        if other.ends <= self.ends:
            raise RenewalError("the new certificate does not live longer")
        if other.names != self.names:
            raise RenewalError("the new certificate carries other names")

    def __str__(self) -> str:
        """Say when it ends, behind "it"."""
        return f"ends on {time.strftime('%Y-%m-%d %H:%M', time.gmtime(self.ends))} UTC"


def lifetime_of(found: Mapping[str, object]) -> Lifetime:
    """Read the lifetime of a certificate as Python's `ssl` shows it."""
    names = cast("tuple[tuple[str, str], ...]", found.get("subjectAltName") or ())
    return Lifetime(
        begins=float(ssl.cert_time_to_seconds(str(found["notBefore"]))),
        ends=float(ssl.cert_time_to_seconds(str(found["notAfter"]))),
        serial=str(found["serialNumber"]),
        names=frozenset(names),
    )


def read_lifetime(folder: str, name: str) -> Lifetime:
    """Look at the certificate in use.

    Raises:
        EnrolmentError: it is good no more, as by its end.
        OSError: it cannot be read.
    """
    authority = (Path(folder) / "ca.crt").read_text("ascii", "replace")
    place = f"{folder}/{name}"
    return lifetime_of(
        try_certificate(
            Trial(certificate=f"{place}.crt", key=f"{place}.key", authority=authority, name=name)
        )
    )


def check_authorities(given: bytes, known: bytes) -> None:
    """Refuse a bundle of authorities none of which is known: what we trust changes step by step.

    Raises:
        RenewalError: it is so, or there are none, or too many.
    """
    new, old = _blocks(given), _blocks(known)
    if not 1 <= len(new) <= AUTHORITIES:
        raise RenewalError(f"the answer names {len(new)} authorities")
    if not new & old:
        raise RenewalError("the answer names no authority that is known here")


def _blocks(bundle: bytes) -> frozenset[bytes]:
    return frozenset(b"".join(one.split()) for one in _PEM.findall(bundle))
