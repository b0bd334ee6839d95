"""Revocation lists for others, and the deny list that our own listeners ask.

Called by `shelf`. A list has an end, and whoever insists on it locks everybody out when nobody renews it; so our own contexts do not
read it: they compare serials with the deny list, on every connection and on open ones. Pure.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from controller.errors import StateError
from controller.pki.entries import Issued, Revoked
from controller.pki.keys import PrivateKey
from controller.pki.reason import flag
from controller.pki.serial import number_of, text_of

LIVES: Final = timedelta(days=30)
"""How long a revocation list is good."""
HEAD: Final = "# serials of certificates that are refused, in hex"

_SERIALS: Final = frozenset("0123456789ABCDEF")


def sign(
    gone: Iterable[tuple[Issued, Revoked]],
    *,
    issuer: x509.Certificate,
    key: PrivateKey,
    number: int,
    now: datetime,
) -> x509.CertificateRevocationList:
    """Sign the list of one authority (RFC 5280, 5); numbers only grow."""
    start = now.replace(microsecond=0)
    identity = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(start)
        .next_update(start + LIVES)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identity),
            critical=False,
        )
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    for one, revoked in gone:
        builder = builder.add_revoked_certificate(_line(one, revoked))
    return builder.sign(key, hashes.SHA256())


def _line(one: Issued, revoked: Revoked) -> x509.RevokedCertificate:
    line = (
        x509.RevokedCertificateBuilder()
        .serial_number(number_of(one.serial))
        .revocation_date(revoked.at.replace(microsecond=0))
    )
    why = flag(revoked.reason)
    if why is not None:
        line = line.add_extension(x509.CRLReason(why), critical=False)
    return line.build()


def number_in(pem: bytes, *, where: str) -> tuple[int, datetime]:
    """Give the number and the end of the first list in a file.

    Raises:
        StateError: it holds no list.
    """
    try:
        found = x509.load_pem_x509_crl(pem)
        number = found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except (ValueError, x509.ExtensionNotFound) as error:
        raise StateError(f"cannot read the revocation list {where}") from error
    end = found.next_update_utc
    if end is None:
        raise StateError(f"cannot read the revocation list {where}: it has no end")
    return number, end


def deny_list(gone: Iterable[tuple[Issued, Revoked]]) -> bytes:
    """Write the deny list: one serial a line, sorted, so that equal lists are equal files."""
    serials = sorted(one.serial for one, _ in gone)
    return "\n".join([HEAD, *serials, ""]).encode()


def read_deny_list(data: bytes, *, where: str) -> frozenset[str]:
    """Read a deny list.

    Raises:
        StateError: a line is no serial; to guess would be to let somebody in.
    """
    found = []
    for number, line in enumerate(data.decode("ascii", "replace").splitlines(), start=1):
        word = line.strip()
        if not word or word.startswith("#"):
            continue
        if not _SERIALS.issuperset(word):
            raise StateError(f"cannot read {where}:{number}: no serial")
        found.append(text_of(number_of(word)))
    return frozenset(found)
