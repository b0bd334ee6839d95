"""The certificate of an agent, a user, an admin or a controller.

Called by `authority`. Pure: the public key, serial and time come in, and nothing of a request but its key.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from controller.pki.alternatives import general
from controller.pki.keys import PrivateKey, PublicKey
from controller.pki.role import usages
from controller.pki.root import EARLIER
from controller.pki.subject import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What will stand in a certificate."""

    subject: Subject
    alternatives: tuple[str, ...]
    key: PublicKey
    serial: int
    days: int


def sign(
    draft: Draft, *, issuer: x509.Certificate, key: PrivateKey, now: datetime
) -> x509.Certificate:
    """Sign a leaf with the key of its authority."""
    start = now.replace(microsecond=0)
    identity = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(draft.subject))
        .issuer_name(issuer.subject)
        .public_key(draft.key)
        .serial_number(draft.serial)
        .not_valid_before(start - EARLIER)
        .not_valid_after(start + timedelta(days=draft.days))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage(
                sorted(usages(draft.subject.role), key=lambda oid: oid.dotted_string)
            ),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(draft.key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identity),
            critical=False,
        )
    )
    if draft.alternatives:
        names = x509.SubjectAlternativeName([general(text) for text in draft.alternatives])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(key, hashes.SHA256())


def name(subject: Subject) -> x509.Name:
    """Give the distinguished name: O, OU and CN, each exactly once."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, subject.organisation),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, subject.role.value),
            x509.NameAttribute(NameOID.COMMON_NAME, subject.name),
        ]
    )


def _usage() -> x509.KeyUsage:
    """TLS 1.3 only ever signs with the key of a certificate."""
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
