"""An authority, its successor and its end."""

import shutil
from pathlib import Path

import pytest

from controller.errors import NotFoundError, RefusedError, UsageError
from controller.pki import founding, issuing
from controller.pki.ledger import State
from controller.pki.role import Role
from tests.pki.place import BY, NOW, Place, founded, needs_openssl, openssl, verify


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return founded(tmp_path / "pki")


@needs_openssl
@pytest.mark.real
def test_an_authority_signs_leaves_and_lists_and_no_authorities(place: Place) -> None:
    text = openssl("x509", "-in", place.trust, "-noout", "-text")
    assert "CA:TRUE, pathlen:0" in text
    assert "Key Usage: critical\n                Certificate Sign, CRL Sign\n" in text
    assert "OK" in verify(place.trust, place.trust)


def test_there_is_one_first_authority(place: Place) -> None:
    before = place.trust.read_bytes()
    with pytest.raises(RefusedError, match="is there already"):
        founding.found(place.path, now=NOW, by=BY)
    assert place.trust.read_bytes() == before


def test_somebody_elses_authority_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "pki"
    folder.mkdir(mode=0o700)
    (folder / "ca.key").write_text("precious")
    with pytest.raises(RefusedError, match="none of ours"):
        founding.found(folder, now=NOW, by=BY)
    assert (folder / "ca.key").read_text() == "precious"


@pytest.mark.parametrize(
    "organisation", ["", "a/CN=x", "a\nb", "é", "a,O=b", "x" * 49, "a+b", ' "']
)
def test_an_organisation_stays_in_its_field(tmp_path: Path, organisation: str) -> None:
    with pytest.raises(UsageError):
        founding.found(tmp_path / "pki", now=NOW, by=BY, organisation=organisation)
    assert not (tmp_path / "pki").exists()


@needs_openssl
@pytest.mark.real
def test_during_a_rotation_both_are_trusted_and_afterwards_one(
    place: Place, tmp_path: Path
) -> None:
    place.issue("old")
    before = Path(shutil.copy(place.trust, tmp_path / "before.crt"))
    first = place.ledger.newest.authority
    founding.rotate(place.path, now=NOW, by=BY)
    place.issue("new", Role.CONTROLLER)
    assert "OK" in verify(place.trust, place.path / "old.crt")
    assert "OK" in verify(place.trust, place.path / "new.crt")
    assert "OK" in verify(before, place.path / "old.crt")
    assert "OK" not in verify(before, place.path / "new.crt")
    founding.retire(place.path, first, now=NOW, by=BY, force=True)
    assert "OK" not in verify(place.trust, place.path / "old.crt")
    assert "OK" in verify(place.trust, place.path / "new.crt")
    known = place.ledger
    assert known.state(known.of_name("old")[0], NOW) is State.RETIRED


@needs_openssl
@pytest.mark.real
def test_both_authorities_keep_a_revocation_list_during_the_rotation(place: Place) -> None:
    place.issue("old")
    founding.rotate(place.path, now=NOW, by=BY)
    place.issue("new")
    for name in ("old", "new"):
        lists = ("-crl_check", "-CRLfile", place.path / "crl.pem")
        assert "OK" in verify(place.trust, place.path / f"{name}.crt", *lists)


def test_an_authority_that_names_depend_on_is_not_retired(place: Place) -> None:
    place.issue("web-1")
    first = place.ledger.newest.authority
    founding.rotate(place.path, now=NOW, by=BY)
    with pytest.raises(RefusedError, match="no newer certificate: web-1"):
        founding.retire(place.path, first, now=NOW, by=BY)
    issuing.renew(place.path, "web-1", issuing.Renewal(), now=NOW, by=BY)
    founding.retire(place.path, first, now=NOW, by=BY)
    assert place.trust.read_text().count("BEGIN CERTIFICATE") == 1
    assert not list(place.path.glob("ca-*.key"))


def test_the_one_that_signs_is_not_retired_and_a_stranger_not_found(place: Place) -> None:
    with pytest.raises(RefusedError, match="the one that signs"):
        founding.retire(place.path, place.ledger.newest.authority, now=NOW, by=BY, force=True)
    with pytest.raises(NotFoundError):
        founding.retire(place.path, "0" * 12, now=NOW, by=BY)


def test_a_rotation_ends_before_the_next_begins(place: Place) -> None:
    founding.rotate(place.path, now=NOW, by=BY)
    with pytest.raises(RefusedError, match="still trusted beside"):
        founding.rotate(place.path, now=NOW, by=BY)


def test_without_an_authority_nothing_is_rotated_or_issued(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        founding.rotate(tmp_path / "none", now=NOW, by=BY)
    assert not (tmp_path / "none").exists()
    (tmp_path / "empty").mkdir(mode=0o700)
    with pytest.raises(NotFoundError, match="cannot find an authority"):
        Place(path=tmp_path / "empty").issue("web-1")


@pytest.mark.parametrize("days", [0, 7301])
def test_the_life_of_an_authority_has_bounds(tmp_path: Path, days: int) -> None:
    with pytest.raises(UsageError):
        founding.found(tmp_path / "pki", now=NOW, by=BY, days=days)
