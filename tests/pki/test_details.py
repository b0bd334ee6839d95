"""Details: what people read is what openssl reads."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from controller.errors import StateError
from controller.pki.details import details
from controller.pki.role import Role
from tests.pki.place import founded, needs_openssl, openssl


@needs_openssl
@pytest.mark.real
def test_serial_fingerprint_and_pin_are_those_of_openssl(tmp_path: Path) -> None:
    place = founded(tmp_path / "pki")
    found = details(place.ledger.newest.certificate, where="ledger")
    told = openssl("x509", "-in", place.trust, "-noout", "-serial", "-fingerprint", "-sha256")
    assert f"serial={found.serial}\n" in told
    assert found.fingerprint in told
    public = openssl("x509", "-in", place.trust, "-noout", "-pubkey")
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-outform", "DER"],
        input=public.encode(),
        capture_output=True,
        check=True,
        timeout=30,
    ).stdout
    assert found.pin == f"sha256:{hashlib.sha256(der).hexdigest()}"


def test_every_field_is_told(tmp_path: Path) -> None:
    place = founded(tmp_path / "pki")
    one = place.issue("ops", Role.USER, alternatives=("email:ops@example.com",))
    found = details(one.certificate, where="ledger")
    assert (found.subject, found.serial) == ("CN=ops,OU=user,O=Example", one.serial)
    assert (found.authority, found.path_length) == (False, None)
    assert found.key_usage == ("digitalSignature",)
    assert found.extended_key_usage == ("clientAuth",)
    assert found.alternatives == ("email:ops@example.com",)
    root = details(place.ledger.newest.certificate, where="ledger")
    assert (root.authority, root.path_length, root.extended_key_usage) == (True, 0, ())
    assert root.key_usage == ("keyCertSign", "cRLSign")
    assert found.issuer == root.subject
    assert found.authority_key_identifier == root.subject_key_identifier


def test_what_is_no_certificate_is_told(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="cannot read the certificate in ledger"):
        details("nonsense", where="ledger")
