"""Keys: ECDSA on P-256 and nothing else, in PEM, and the digest of a public key that enrolment pins.

Called by everything in this room that signs or looks at a key. Pure, but for the randomness of a new key.
"""

import hashlib
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from controller.errors import StateError

PrivateKey = ec.EllipticCurvePrivateKey
PublicKey = ec.EllipticCurvePublicKey
IDENTIFIER: Final = 12
"""Hex digits of the digest of its key by which an authority is named."""


def make() -> PrivateKey:
    """Make a new key."""
    return ec.generate_private_key(ec.SECP256R1())


def is_ours(key: PublicKeyTypes) -> bool:
    """Say whether a public key is of the one kind that is used here."""
    return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)


def public_of(certificate: x509.Certificate) -> PublicKey:
    """Give the public key of one of our own certificates.

    Raises:
        StateError: it is of another kind, so the certificate is none of ours.
    """
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not is_ours(key):
        raise StateError("cannot use a certificate whose key is not ECDSA on P-256")
    return key


def to_pem(key: PrivateKey) -> bytes:
    """Write a private key as PKCS #8; it is kept from others by the mode of its file."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def from_pem(pem: bytes, *, where: str) -> PrivateKey:
    """Read a private key.

    Args:
        pem: the file.
        where: its path, for the message.

    Raises:
        StateError: it is no private key, of another kind, or has a passphrase.
    """
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise StateError(f"cannot read the private key {where}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not is_ours(key.public_key()):
        raise StateError(f"cannot use the private key {where}: it is not ECDSA on P-256")
    return key


def digest(key: PublicKey) -> str:
    """Give the SHA-256 of a public key's SubjectPublicKeyInfo (RFC 5280, 4.1.2.7) in hex."""
    information = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(information).hexdigest()


def pin(key: PublicKey) -> str:
    """Give what enrolment compares: `sha256:` and the digest of the public key."""
    return f"sha256:{digest(key)}"


def identifier(key: PublicKey) -> str:
    """Give the short name of an authority: it follows from its key, so two never share one."""
    return digest(key)[:IDENTIFIER]
