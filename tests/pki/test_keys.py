"""Keys: of one kind, and the right one."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from controller.errors import StateError
from controller.pki import keys
from tests.pki.place import Place, founded


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, secret: bytes = b"") -> bytes:
    lock = serialization.BestAvailableEncryption(secret) if secret else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)


def test_a_key_is_read_as_it_was_written() -> None:
    key = keys.make()
    read = keys.from_pem(keys.to_pem(key), where="x.key")
    assert keys.pin(read.public_key()) == keys.pin(key.public_key())
    assert keys.pin(key.public_key()).startswith(f"sha256:{keys.identifier(key.public_key())}")
    assert keys.pin(keys.make().public_key()) != keys.pin(key.public_key())


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "cannot read the private key"),
        (b"nonsense", "cannot read the private key"),
        (pem(ec.generate_private_key(ec.SECP256R1()), b"secret"), "cannot read the private key"),
        (pem(ec.generate_private_key(ec.SECP384R1())), "not ECDSA on P-256"),
        (pem(rsa.generate_private_key(65537, 2048)), "not ECDSA on P-256"),
    ],
    ids=["empty", "garbage", "passphrase", "P-384", "RSA"],
)
def test_an_authority_signs_with_no_other_key(tmp_path: Path, data: bytes, why: str) -> None:
    place = founded(tmp_path / "pki")
    (place.path / "ca.key").write_bytes(data)
    with pytest.raises(StateError, match=why):
        place.issue("web-1")
    assert not place.ledger.issued


def test_a_key_of_another_authority_is_told(tmp_path: Path) -> None:
    place: Place = founded(tmp_path / "pki")
    other = founded(tmp_path / "other")
    (place.path / "ca.key").write_bytes((other.path / "ca.key").read_bytes())
    with pytest.raises(StateError, match=r"not the key of ca\.crt"):
        place.issue("web-1")
    assert not place.ledger.issued
