"""People as listeners of other protocols meet them: whom a certificate names now, whichever time the handshake was.

Called by `api` for every request that comes by a certificate, and again for open streams. TLS has checked that our authority signed it, but not
its dates: whoever comes too late is to be told so in words, which no handshake can. So dates, deny list and trust are looked at here.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from controller.errors import RefusedError, StateError
from controller.pki.contexts import LARGEST
from controller.pki.denied import DenyList
from controller.pki.peer import Peer, peer
from controller.pki.role import PEOPLE
from controller.pki.shelf import BUNDLE, DENIED

KNOWN: Final = 1000
"""Certificates that were read and checked, and are not read again."""

Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Certified:
    """Somebody whom an authority that we trust has named, and when both are good."""

    peer: Peer
    not_before: datetime
    authority: x509.Certificate


class People:
    """The people of one authority.

    Args:
        folder: holds `ca.crt`, and where certificates were revoked `denied`.
    """

    def __init__(self, folder: Path) -> None:
        self.trust = folder / BUNDLE
        self._deny = DenyList(folder / DENIED)
        self._stamp: Stamp | None = None
        self._authorities: tuple[x509.Certificate, ...] = ()
        self._known: OrderedDict[bytes, Certified] = OrderedDict()

    def who(self, der: bytes, now: datetime) -> Peer:
        """Say who somebody is by a certificate whose key they proved to have.

        Args:
            der: the certificate.
            now: the time.

        Raises:
            RefusedError: it is nobody's, no person's, revoked, not good now, or of an authority that is not trusted any more; the
                message says which.
            StateError: the authorities or the deny list cannot be read.
        """
        self._look()
        found = self._certified(der)
        who = f"{found.peer.role} {found.peer.name}"
        if found.peer.serial in self._deny.current():
            raise _refused(f"{who} was revoked (serial {found.peer.serial})")
        if now >= found.peer.not_after:
            raise _refused(f"that of {who} ended at {_text(found.peer.not_after)}")
        if now < found.not_before:
            raise _refused(f"that of {who} begins at {_text(found.not_before)}")
        if now >= found.authority.not_valid_after_utc:
            raise _refused(f"the authority of {who} is over")
        return found.peer

    def _certified(self, der: bytes) -> Certified:
        key = hashlib.sha256(der).digest()
        found = self._known.get(key)
        if found is None:
            found = self._read(der)
            self._known[key] = found
            if len(self._known) > KNOWN:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return found

    def _read(self, der: bytes) -> Certified:
        named = peer(der, roles=PEOPLE)
        certificate = x509.load_der_x509_certificate(der)
        issuer = next((one for one in self._authorities if _issued(certificate, one)), None)
        if issuer is None:
            raise _refused(f"{named.role} {named.name} comes from an authority that is not ours")
        return Certified(peer=named, not_before=certificate.not_valid_before_utc, authority=issuer)

    def _look(self) -> None:
        """Read the authorities again when their file has changed, as by a rotation; what they signed is looked at anew then."""
        try:
            found = self.trust.stat()
            stamp = (found.st_ino, found.st_size, found.st_mtime_ns)
            if stamp == self._stamp:
                return
            self._authorities = _bundle(self.trust)
        except (OSError, ValueError) as error:
            raise StateError(
                f"cannot read the authorities in {self.trust}: {error}",
                hint="ctl pki renew --crl sets the files of an authority right",
            ) from error
        self._stamp = stamp
        self._known.clear()


def _bundle(path: Path) -> tuple[x509.Certificate, ...]:
    """Read authorities, at least one."""
    with path.open("rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ValueError(f"more than {LARGEST} bytes")
    return tuple(x509.load_pem_x509_certificates(data))


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _refused(why: str) -> RefusedError:
    return RefusedError(f"cannot accept the certificate: {why}")
