"""Certificates as they are issued and renewed, judged by the real openssl."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from controller.errors import NotFoundError, RefusedError, UsageError
from controller.pki import issuing, revoking
from controller.pki.entries import Issued
from controller.pki.ledger import State
from controller.pki.reason import Reason
from controller.pki.role import Role
from tests.pki.place import BY, CN, NOW, OU, Place, founded, needs_openssl, openssl, request, verify


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return founded(tmp_path / "pki")


def renew(place: Place, name: str, **more: object) -> Issued:
    renewal = issuing.Renewal(**more)  # type: ignore[arg-type]
    return issuing.renew(place.path, name, renewal, now=place.now, by=BY)


def public(pem: Path) -> bytes:
    """Give the public half of a key or a certificate."""
    data = pem.read_bytes()
    if b"PRIVATE" in data:
        key = serialization.load_pem_private_key(data, None).public_key()
    else:
        key = x509.load_pem_x509_certificate(data).public_key()
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@needs_openssl
@pytest.mark.real
@pytest.mark.parametrize("role", Role)
def test_every_role_passes_the_strict_check_of_openssl(place: Place, role: Role) -> None:
    place.issue("one", role)
    assert verify(place.trust, place.path / "one.crt").endswith("one.crt: OK\n")


@needs_openssl
@pytest.mark.real
@pytest.mark.parametrize(
    ("role", "purposes"),
    [
        (Role.AGENT, {"sslclient", "sslserver"}),
        (Role.CONTROLLER, {"sslclient", "sslserver"}),
        (Role.USER, {"sslclient"}),
        (Role.ADMIN, {"sslclient"}),
    ],
)
def test_a_role_is_good_for_its_own_purposes_alone(
    place: Place, role: Role, purposes: set[str]
) -> None:
    place.issue("one", role)
    good = {
        purpose
        for purpose in ("sslclient", "sslserver", "smimesign", "crlsign")
        if "OK" in verify(place.trust, place.path / "one.crt", "-purpose", purpose)
    }
    assert good == purposes


@needs_openssl
@pytest.mark.real
def test_openssl_reads_name_role_organisation_and_names(place: Place) -> None:
    place.issue("web-1.example.com", alternatives=("10.0.0.5", "dns:w1", "IP:fd00::1"))
    text = openssl("x509", "-in", place.path / "web-1.example.com.crt", "-noout", "-text")
    assert "Subject: O = Example, OU = agent, CN = web-1.example.com" in text
    assert (
        "DNS:web-1.example.com, IP Address:10.0.0.5, DNS:w1, IP Address:FD00:0:0:0:0:0:0:1" in text
    )
    assert "Signature Algorithm: ecdsa-with-SHA256" in text
    assert re.search(r"Key Usage: critical\s+Digital Signature\n", text)
    assert re.search(r"Basic Constraints: critical\s+CA:FALSE\n", text)
    assert "Subject Key Identifier" in text
    assert "Authority Key Identifier" in text


def test_a_certificate_is_good_a_little_before_and_as_long_as_its_role(place: Place) -> None:
    machine, person = place.issue("web-1"), place.issue("ops", Role.USER)
    start = NOW.replace(microsecond=0)
    assert machine.not_before == start - timedelta(minutes=5)
    assert machine.not_after == start + timedelta(days=397)
    assert person.not_after == start + timedelta(days=90)
    assert place.issue("web-2", days=3).not_after == start + timedelta(days=3)


def test_serials_are_long_random_and_never_the_same(place: Place) -> None:
    serials = [int(place.issue(f"web-{n}").serial, 16) for n in range(12)]
    assert len(set(serials)) == 12
    assert all(64 <= serial.bit_length() <= 159 for serial in serials)


def test_keys_are_for_their_owner_alone_and_fit(place: Place) -> None:
    place.issue("web-1")
    for name in ("ca.key", "web-1.key", "ledger"):
        assert (place.path / name).stat().st_mode & 0o777 == 0o600
    assert place.path.stat().st_mode & 0o777 == 0o700
    assert public(place.path / "web-1.key") == public(place.path / "web-1.crt")


def test_a_name_has_one_certificate_whatever_its_case_and_role(place: Place) -> None:
    place.issue("web-1")
    with pytest.raises(RefusedError, match="web-1 has a certificate as agent until"):
        place.issue("web-1", Role.CONTROLLER)
    with pytest.raises(RefusedError, match="web-1 has a certificate"):
        place.issue("WEB-1")
    assert len(place.ledger.issued) == 1


def test_a_revoked_name_can_be_issued_anew_with_another_key(place: Place) -> None:
    first = place.issue("web-1")
    before = public(place.path / "web-1.key")
    revoking.revoke(place.path, "web-1", reason=Reason.KEY_COMPROMISE, now=NOW, by=BY)
    place.issue("web-1")
    assert public(place.path / "web-1.key") != before
    assert place.ledger.state(place.ledger.issued[first.serial], NOW) is State.REVOKED


def test_files_that_are_none_of_ours_are_never_overwritten(place: Place) -> None:
    (place.path / "web-1.key").write_text("precious")
    with pytest.raises(RefusedError, match="none of ours"):
        place.issue("web-1")
    assert (place.path / "web-1.key").read_text() == "precious"
    place.issue("web-1", request=request())
    assert (place.path / "web-1.key").read_text() == "precious"


def test_of_a_request_only_the_key_is_taken(place: Place) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    place.issue("edge-1", request=request(key=key))
    made = place.certificate("edge-1")
    assert made.public_key() == key.public_key()
    assert [a.value for a in made.subject.get_attributes_for_oid(CN)] == ["edge-1"]
    assert [a.value for a in made.subject.get_attributes_for_oid(OU)] == ["agent"]
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["edge-1"]
    assert not (place.path / "edge-1.key").exists()


@needs_openssl
@pytest.mark.real
def test_a_request_of_openssl_is_signed(place: Place, tmp_path: Path) -> None:
    key, csr = tmp_path / "k", tmp_path / "r"
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
    openssl("req", "-new", "-key", key, "-subj", "/CN=x", "-out", csr)
    place.issue("edge-1", request=csr.read_bytes())
    assert public(place.path / "edge-1.crt") == public(key)
    assert "OK" in verify(place.trust, place.path / "edge-1.crt")


def _broken() -> bytes:
    """Give a request whose signature does not fit: the subject was changed after signing."""
    der = x509.load_pem_x509_csr(request()).public_bytes(serialization.Encoding.DER)
    made = x509.load_der_x509_csr(der.replace(b"someone-else", b"someone-elze"))
    return made.public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize(
    ("pem", "why"),
    [
        (b"", "cannot read the request"),
        (b"\x00" * 500, "cannot read the request"),
        (b"x" * 20_000, "more than"),
        (_broken(), "signature does not fit"),
        (request(key=ec.generate_private_key(ec.SECP384R1())), "not ECDSA on P-256"),
        (request(key=rsa.generate_private_key(65537, 2048)), "not ECDSA on P-256"),
    ],
    ids=["empty", "garbage", "large", "signature", "P-384", "RSA"],
)
def test_unsound_requests_are_refused_and_leave_nothing(place: Place, pem: bytes, why: str) -> None:
    with pytest.raises(RefusedError, match=why):
        place.issue("edge-1", request=pem)
    assert not place.ledger.issued
    assert not list(place.path.glob("edge-1*"))


def test_renewing_keeps_role_names_and_life_and_makes_a_new_key(place: Place) -> None:
    old = place.issue("web-1", alternatives=("10.0.0.5",), days=40)
    before = public(place.path / "web-1.key")
    new = renew(place, "web-1")
    assert (new.role, new.alternatives, new.days) == (old.role, old.alternatives, 40)
    assert new.serial != old.serial
    assert public(place.path / "web-1.key") == public(place.path / "web-1.crt") != before
    known = place.ledger
    assert known.state(known.issued[old.serial], NOW) is State.REPLACED
    assert known.state(known.issued[new.serial], NOW) is State.VALID


def test_renewing_can_keep_the_key_and_end_the_old_one(place: Place) -> None:
    old = place.issue("web-1")
    before = (place.path / "web-1.key").read_bytes()
    renew(place, "web-1", same_key=True, revoke_old=True)
    assert (place.path / "web-1.key").read_bytes() == before
    assert public(place.path / "web-1.key") == public(place.path / "web-1.crt")
    assert place.ledger.revoked[old.serial].reason is Reason.SUPERSEDED
    assert old.serial in (place.path / "denied").read_text()


def test_a_key_made_elsewhere_is_never_replaced_unasked(place: Place) -> None:
    place.issue("edge-1", request=request())
    with pytest.raises(RefusedError, match="made elsewhere"):
        renew(place, "edge-1")
    before = public(place.path / "edge-1.crt")
    renew(place, "edge-1", same_key=True)
    assert public(place.path / "edge-1.crt") == before
    renew(place, "edge-1", request=request())
    assert public(place.path / "edge-1.crt") != before


def test_a_key_that_no_longer_fits_goes(place: Place) -> None:
    place.issue("web-1")
    renew(place, "web-1", request=request())
    assert not (place.path / "web-1.key").exists()


def test_what_is_over_is_issued_not_renewed(place: Place) -> None:
    place.issue("web-1", days=10)
    later = Place(path=place.path, now=NOW + timedelta(days=11))
    with pytest.raises(RefusedError, match="its last certificate is expired"):
        renew(later, "web-1")
    with pytest.raises(NotFoundError) as seen:
        renew(place, "web-2")
    assert seen.value.hint == 'did you mean "web-1"?'
    later.issue("web-1")


def test_no_leaf_outlives_its_authority(place: Place) -> None:
    late = Place(path=place.path, now=NOW + timedelta(days=3500))
    with pytest.raises(RefusedError, match="the authority itself ends in 149"):
        late.issue("web-1")
    assert late.issue("web-1", days=149).not_after <= late.ledger.newest.not_after


@pytest.mark.parametrize("days", [0, -1, 826])
def test_a_life_has_bounds(place: Place, days: int) -> None:
    with pytest.raises(UsageError):
        place.issue("web-1", days=days)
    assert not place.ledger.issued
