"""Details: every field of a certificate, as people and programs read them.

Called by `ctl pki show`. Pure.
"""

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from controller.pki import alternatives, certificate, keys
from controller.pki.serial import text_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What stands in a certificate."""

    subject: str
    issuer: str
    serial: str
    not_before: datetime
    not_after: datetime
    key: str
    signature: str
    authority: bool
    path_length: int | None
    key_usage: tuple[str, ...]
    extended_key_usage: tuple[str, ...]
    alternatives: tuple[str, ...]
    subject_key_identifier: str
    authority_key_identifier: str
    fingerprint: str
    """SHA-256 of the whole certificate."""
    pin: str
    """SHA-256 of its public key; that of an authority is what enrolment pins."""


_EXTENDED = {
    ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth",
    ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth",
}


def details(pem: str, *, where: str) -> Details:
    """Read every field of one of our own certificates.

    Raises:
        StateError: it is none of ours.
    """
    found = certificate.from_pem(pem, where=where)
    constraints = found.extensions.get_extension_for_class(x509.BasicConstraints).value
    own = found.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    issuer = found.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    return Details(
        subject=found.subject.rfc4514_string(),
        issuer=found.issuer.rfc4514_string(),
        serial=text_of(found.serial_number),
        not_before=found.not_valid_before_utc,
        not_after=found.not_valid_after_utc,
        key="ECDSA P-256",
        signature="ECDSA with SHA-256",
        authority=constraints.ca,
        path_length=constraints.path_length,
        key_usage=_usage(found),
        extended_key_usage=_extended(found),
        alternatives=_alternatives(found),
        subject_key_identifier=own.digest.hex(":").upper(),
        authority_key_identifier=(issuer.key_identifier or b"").hex(":").upper(),
        fingerprint=certificate.fingerprint(found),
        pin=keys.pin(keys.public_of(found)),
    )


def _usage(found: x509.Certificate) -> tuple[str, ...]:
    usage = found.extensions.get_extension_for_class(x509.KeyUsage).value
    words = {
        "digitalSignature": usage.digital_signature,
        "keyCertSign": usage.key_cert_sign,
        "cRLSign": usage.crl_sign,
    }
    return tuple(word for word, holds in words.items() if holds)


def _extended(found: x509.Certificate) -> tuple[str, ...]:
    try:
        usages = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(_EXTENDED.get(oid, oid.dotted_string) for oid in usages)


def _alternatives(found: x509.Certificate) -> tuple[str, ...]:
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(map(alternatives.text_of, names))
