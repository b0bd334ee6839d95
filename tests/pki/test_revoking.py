"""Revocation: what is denied, what the list of openssl says, and who learns of it when."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from controller.errors import NotFoundError, RefusedError, StateError
from controller.pki import issuing, revoking
from controller.pki.denied import DenyList
from controller.pki.reason import Reason
from controller.pki.revocation import HEAD, number_in, read_deny_list
from controller.pki.serial import text_of
from tests.pki.place import BY, NOW, Place, founded, needs_openssl, openssl, verify


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = founded(tmp_path / "pki")
    made.issue("web-1")
    made.issue("web-2")
    return made


def revoke(place: Place, word: str, reason: Reason = Reason.UNSPECIFIED) -> list[str]:
    gone = revoking.revoke(place.path, word, reason=reason, now=place.now, by=BY)
    return [one.serial for one in gone]


@needs_openssl
@pytest.mark.real
@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (Reason.KEY_COMPROMISE, "Key Compromise"),
        (Reason.CESSATION, "Cessation Of Operation"),
        (Reason.SUPERSEDED, "Superseded"),
        (Reason.AFFILIATION_CHANGED, "Affiliation Changed"),
        (Reason.UNSPECIFIED, None),
    ],
)
def test_openssl_refuses_what_is_on_the_list_and_nothing_else(
    place: Place, reason: Reason, told: str | None
) -> None:
    lists = ("-crl_check", "-CRLfile", place.path / "crl.pem")
    assert "OK" in verify(place.trust, place.path / "web-1.crt", *lists)
    (serial,) = revoke(place, "web-1", reason)
    assert "certificate revoked" in verify(place.trust, place.path / "web-1.crt", *lists)
    assert "OK" in verify(place.trust, place.path / "web-2.crt", *lists)
    text = openssl("crl", "-in", place.path / "crl.pem", "-noout", "-text", "-nameopt", "oneline")
    assert f"Serial Number: {serial}" in text
    assert ("CRL Reason Code" in text) is (told is not None)
    assert (told or "") in text


@needs_openssl
@pytest.mark.real
def test_the_list_is_signed_by_the_authority_and_has_an_end(place: Place) -> None:
    revoke(place, "web-1")
    told = openssl("crl", "-in", place.path / "crl.pem", "-noout", "-CAfile", place.trust)
    assert "verify OK" in told
    _, end = number_in((place.path / "crl.pem").read_bytes(), where="crl")
    assert end == NOW.replace(microsecond=0) + timedelta(days=30)


def test_numbers_of_lists_only_grow(place: Place) -> None:
    numbers = []
    for act in (lambda: revoke(place, "web-1"), lambda: revoking.relist(place.path, now=NOW)):
        numbers.append(number_in((place.path / "crl.pem").read_bytes(), where="crl")[0])
        act()
    numbers.append(number_in((place.path / "crl.pem").read_bytes(), where="crl")[0])
    assert numbers == sorted(set(numbers))


def test_by_name_all_that_is_good_goes_and_by_serial_one(place: Place) -> None:
    old = place.ledger.of_name("web-1")[0].serial
    new = issuing.renew(place.path, "web-1", issuing.Renewal(), now=NOW, by=BY).serial
    typed = ":".join(old[n : n + 2] for n in range(0, len(old), 2)).lower()
    assert revoke(place, typed) == [old]
    assert revoke(place, "web-1") == [new]
    assert read_deny_list((place.path / "denied").read_bytes(), where="denied") == {old, new}


def test_what_is_over_cannot_be_revoked_and_strangers_are_not_found(place: Place) -> None:
    revoke(place, "web-1")
    with pytest.raises(RefusedError, match="web-1: it is revoked already"):
        revoke(place, "web-1")
    with pytest.raises(NotFoundError):
        revoke(place, "web-9")
    with pytest.raises(NotFoundError):
        revoke(place, "00" * 20)


def test_the_ledger_tells_who_when_and_why(place: Place) -> None:
    (serial,) = revoke(place, "web-1", Reason.KEY_COMPROMISE)
    told = place.ledger.revoked[serial]
    assert (told.reason, told.by, told.at) == (Reason.KEY_COMPROMISE, BY, NOW)


def test_a_serial_is_denied_until_well_after_its_end(place: Place) -> None:
    (serial,) = revoke(place, "web-1")

    def denied(days: int) -> bool:
        at = NOW + timedelta(days=days)
        return serial in {one.serial for one, _ in place.ledger.denied(at)}

    assert denied(397)
    assert denied(397 + 29)
    assert not denied(397 + 31)


def test_a_listener_sees_a_revocation_at_its_next_look(place: Place) -> None:
    listener = DenyList(place.path / "denied")
    assert listener.serials() == frozenset()
    (serial,) = revoke(place, "web-1")
    assert listener.serials() == {serial}
    assert listener.serials() is listener.serials(), "an unchanged file is not read again"


def test_a_list_that_is_missing_or_damaged_is_an_error_not_an_empty_list(place: Place) -> None:
    path = place.path / "denied"
    path.write_text(f"{HEAD}\nnot a serial\n")
    with pytest.raises(StateError, match="denied:2"):
        DenyList(path).serials()
    path.unlink()
    with pytest.raises(StateError, match="cannot read the deny list"):
        DenyList(path).serials()


def test_a_list_that_became_damaged_is_not_remembered_as_good(place: Place) -> None:
    listener = DenyList(place.path / "denied")
    listener.serials()
    (place.path / "denied").write_text("damaged")
    for _ in range(2):
        with pytest.raises(StateError):
            listener.serials()


@given(st.sets(st.integers(1 << 63, (1 << 159) - 1), max_size=20))
def test_what_is_denied_is_read_as_it_was_written(numbers: set[int]) -> None:
    serials = {text_of(number) for number in numbers}
    data = "\n".join([HEAD, *sorted(serials), ""]).encode()
    assert read_deny_list(data, where="denied") == serials


@pytest.mark.parametrize("data", [b"", b"nonsense", b"-----BEGIN X509 CRL-----\n"])
def test_a_damaged_list_of_revocations_is_told(place: Place, data: bytes) -> None:
    (place.path / "crl.pem").write_bytes(data)
    with pytest.raises(StateError, match=r"cannot read the revocation list .*crl\.pem"):
        revoke(place, "web-1")
