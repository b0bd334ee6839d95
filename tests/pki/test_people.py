"""People and their certificates: who somebody is now, and each reason why nobody."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from controller.errors import RefusedError, StateError
from controller.pki import founding, issuing, people as module, revoking
from controller.pki.people import People
from controller.pki.reason import Reason
from controller.pki.role import Role
from tests.pki.place import BY, NOW, Place, forged, founded


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = founded(tmp_path / "pki")
    made.issue("ann", Role.USER)
    made.issue("ops", Role.ADMIN)
    return made


def test_people_are_known_by_name_and_role(place: Place) -> None:
    people = People(place.path)
    for name, role in (("ann", Role.USER), ("ops", Role.ADMIN)):
        for _ in range(2):  # read, and remembered
            found = people.who(place.der(name), NOW)
            assert (found.name, found.role) == (name, role)


def test_machines_are_nobody_here(place: Place) -> None:
    place.issue("web-1")
    place.issue("main", Role.CONTROLLER)
    for name in ("web-1", "main"):
        with pytest.raises(RefusedError, match="is not admin or user"):
            People(place.path).who(place.der(name), NOW)


def test_dates_are_those_of_the_moment_of_asking(place: Place) -> None:
    people = People(place.path)
    der, found = place.der("ann"), place.certificate("ann")
    begins, ends = found.not_valid_before_utc, found.not_valid_after_utc
    assert people.who(der, begins).name == "ann"
    assert people.who(der, ends - timedelta(seconds=1)).name == "ann"
    with pytest.raises(RefusedError, match="user ann ended at"):
        people.who(der, ends)
    with pytest.raises(RefusedError, match="user ann begins at"):
        people.who(der, begins - timedelta(seconds=1))


def test_nobody_outlives_the_authority(place: Place) -> None:
    people = People(place.path)
    people.who(place.der("ann"), NOW)
    ((key, found),) = people._known.items()
    ends = found.authority.not_valid_after_utc
    longer = replace(found.peer, not_after=ends + timedelta(days=1))  # as no tool of ours would
    people._known[key] = replace(found, peer=longer)
    assert people.who(place.der("ann"), ends - timedelta(seconds=1)).name == "ann"
    with pytest.raises(RefusedError, match="the authority of user ann is over"):
        people.who(place.der("ann"), ends)


def test_a_revocation_counts_at_once(place: Place) -> None:
    people = People(place.path)
    assert people.who(place.der("ann"), NOW).name == "ann"
    revoking.revoke(place.path, "ann", reason=Reason.UNSPECIFIED, now=NOW, by=BY)
    with pytest.raises(RefusedError, match=r"user ann was revoked \(serial [0-9A-F]+\)"):
        people.who(place.der("ann"), NOW)
    assert people.who(place.der("ops"), NOW).name == "ops"


def test_a_deny_list_that_went_away_or_is_damaged_lets_nobody_in(place: Place) -> None:
    people = People(place.path)
    assert people.who(place.der("ann"), NOW).name == "ann"
    (place.path / "denied").write_text("?\n")
    with pytest.raises(StateError, match="no serial"):
        people.who(place.der("ann"), NOW)
    (place.path / "denied").unlink()
    with pytest.raises(StateError, match="deny list"):
        people.who(place.der("ann"), NOW)


def test_who_has_no_list_at_all_denies_nobody(place: Place, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "ca.crt").write_bytes(place.trust.read_bytes())
    assert People(bare).who(place.der("ann"), NOW).name == "ann"


def test_an_authority_is_trusted_for_as_long_as_its_file_says(place: Place) -> None:
    people = People(place.path)
    old = place.der("ann")
    assert people.who(old, NOW).name == "ann"
    founding.rotate(place.path, now=NOW, by=BY)
    issuing.renew(place.path, "ann", issuing.Renewal(), now=NOW, by=BY)
    new = place.der("ann")
    assert people.who(old, NOW).name == "ann"
    assert people.who(new, NOW).name == "ann"
    before = place.ledger.authorities[0].authority
    founding.retire(place.path, before, now=NOW, by=BY, force=True)
    assert people.who(new, NOW).name == "ann"
    with pytest.raises(RefusedError):
        people.who(old, NOW)


def test_another_authority_names_nobody_here(place: Place, tmp_path: Path) -> None:
    other = founded(tmp_path / "other")
    other.issue("ann", Role.USER)
    with pytest.raises(RefusedError, match="from an authority that is not ours"):
        People(place.path).who(other.der("ann"), NOW)
    with pytest.raises(RefusedError):
        People(place.path).who(forged(), NOW)


def test_without_authorities_there_is_nobody(place: Place) -> None:
    people = People(place.path)
    for damage in (lambda: place.trust.write_text("nothing"), place.trust.unlink):
        damage()
        with pytest.raises(StateError, match="authorities"):
            people.who(place.der("ann"), NOW)


def test_what_is_remembered_is_bounded(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KNOWN", 1)
    people = People(place.path)
    for name in ("ann", "ops", "ann"):
        assert people.who(place.der(name), NOW).name == name
        assert len(people._known) == 1


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_and_nothing_else(data: bytes) -> None:
    people = People(Path("/nowhere"))
    people._look = lambda: None  # type: ignore[method-assign]  # no authorities
    with pytest.raises(RefusedError):
        people.who(data, NOW)
