"""Certificates as text and bytes: PEM in and out, fingerprint, and the key they speak of.

Called by everything in this room that holds a certificate. Pure.
"""

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from controller.errors import StateError


def to_pem(certificate: x509.Certificate) -> str:
    """Write a certificate as PEM."""
    return certificate.public_bytes(Encoding.PEM).decode("ascii")


def from_pem(pem: str, *, where: str) -> x509.Certificate:
    """Read one certificate.

    Args:
        pem: the text.
        where: where it came from, for the message.

    Raises:
        StateError: it is none.
    """
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError as error:
        raise StateError(f"cannot read the certificate in {where}") from error


def fingerprint(certificate: x509.Certificate) -> str:
    """Give the SHA-256 of a certificate, as `openssl x509 -fingerprint -sha256` writes it."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()
