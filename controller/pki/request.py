"""Requests (PKCS #10): a public key, and the proof that whoever asks holds its other half.

Called by `authority` for `--csr` and by enrolment. Subject and extensions of a request are wishes of a stranger and are never read. Pure.
"""

from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

from controller.errors import RefusedError
from controller.pki.keys import PublicKey, is_ours

LARGEST: Final = 16 << 10
"""Bytes of a request; one with a P-256 key has about 500."""


def read(pem: bytes) -> PublicKey:
    """Give the public key of a request.

    Raises:
        RefusedError: it is no request, its signature does not fit, or its key is not ECDSA on P-256.
    """
    if len(pem) > LARGEST:
        raise RefusedError(f"cannot sign a request of more than {LARGEST} bytes")
    try:
        request = x509.load_pem_x509_csr(pem)
        proven = request.is_signature_valid
        key = request.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise RefusedError(
            "cannot read the request", hint="PEM, as openssl req -new -key NAME.key makes it"
        ) from error
    if not proven:
        raise RefusedError("cannot sign the request: its own signature does not fit")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not is_ours(key):
        raise RefusedError(
            "cannot sign the request: its key is not ECDSA on P-256",
            hint="openssl ecparam -name prime256v1 -genkey -noout -out NAME.key",
        )
    return key
