"""The certificate of an authority: self-signed, and good for signing leaves and lists and nothing else.

Called by `authority` when it is founded or rotated. Pure: key, serial and time come in.
"""

from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from controller.pki.keys import PrivateKey, identifier

DAYS: Final = 3650
"""Days an authority lives unless told otherwise."""
LONGEST: Final = 7300
EARLIER: Final = timedelta(minutes=5)
"""How long before its making a certificate is good already, for clocks that run behind."""


def make(
    organisation: str, key: PrivateKey, *, serial: int, now: datetime, days: int
) -> x509.Certificate:
    """Make the certificate of an authority (RFC 5280, 4.2.1.1-3 and 4.2.1.9)."""
    public = key.public_key()
    subject = name(organisation, identifier(public))
    start = now.replace(microsecond=0)
    own = x509.SubjectKeyIdentifier.from_public_key(public)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(serial)
        .not_valid_before(start - EARLIER)
        .not_valid_after(start + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(), critical=True)
        .add_extension(own, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own), critical=False
        )
        .sign(key, hashes.SHA256())
    )


def name(organisation: str, own: str) -> x509.Name:
    """Give the name of an authority: its id is in it, so that two of one organisation differ."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{organisation} CA {own}"),
        ]
    )


def _usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
