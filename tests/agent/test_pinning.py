"""Pins: found without a library exactly as the authority computes them, and never in what is no certificate."""

import ssl
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from controller.agent.pinning import find_pinned, pin_of
from controller.pki import founding
from controller.pki.details import details
from tests.pki.place import BY, NOW, Place, founded


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return founded(tmp_path_factory.mktemp("pins") / "pki")


def test_a_pin_is_the_one_that_people_are_told(place: Place) -> None:
    one = place.ledger.newest.certificate
    assert pin_of(ssl.PEM_cert_to_DER_cert(one)) == details(one, where="ca").pin
    leaf = place.issue("web-1").certificate
    assert pin_of(ssl.PEM_cert_to_DER_cert(leaf)) == details(leaf, where="leaf").pin


def test_only_the_pinned_authority_of_a_bundle_is_taken(tmp_path: Path) -> None:
    place = founded(tmp_path / "pki")
    old = place.ledger.newest.certificate
    founding.rotate(place.path, now=NOW, by=BY)
    bundle = (place.path / "ca.crt").read_text()
    assert bundle.count("BEGIN") == 2
    for one in (old, place.ledger.newest.certificate):
        assert find_pinned(bundle, details(one, where="ca").pin) == one
    assert find_pinned(bundle, "sha256:" + "0" * 64) is None


@given(data=st.binary(max_size=300))
def test_garbage_has_no_pin(data: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        pin_of(data)


@given(st.data())
def test_a_certificate_with_a_byte_changed_has_its_pin_or_none(
    place: Place, data: st.DataObject
) -> None:
    whole = ssl.PEM_cert_to_DER_cert(place.ledger.newest.certificate)
    at = data.draw(st.integers(0, len(whole) - 1))
    torn = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    pem = ssl.DER_cert_to_PEM_cert(torn)
    assert find_pinned(pem, "sha256:" + "0" * 64) is None


@given(st.text(max_size=200))
def test_no_text_is_a_bundle_by_chance(text: str) -> None:
    assert find_pinned(text, "sha256:" + "0" * 64) is None
