"""What people type, and what is found."""

from pathlib import Path

import pytest

from controller.errors import NotFoundError, RefusedError, UsageError
from controller.pki import issuing, revoking
from controller.pki.finding import latest, of_word
from controller.pki.reason import Reason
from tests.pki.place import BY, NOW, Place, founded


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = founded(tmp_path / "pki")
    made.issue("web-1")
    return made


def test_a_name_finds_all_a_serial_one(place: Place) -> None:
    new = issuing.renew(place.path, "web-1", issuing.Renewal(), now=NOW, by=BY)
    known = place.ledger
    assert [one.serial for one in of_word(known, "WEB-1")] == list(known.issued)
    assert of_word(known, new.serial.lower()) == (new,)
    assert latest(known, "web-1", NOW) == new


def test_a_name_that_is_the_serial_of_another_is_not_guessed(place: Place) -> None:
    serial = place.ledger.of_name("web-1")[0].serial
    place.issue(serial)
    with pytest.raises(UsageError, match="is a name and a serial"):
        of_word(place.ledger, serial)
    colons = ":".join(serial[n : n + 2] for n in range(0, len(serial), 2))
    assert of_word(place.ledger, colons)[0].name == "web-1"


def test_only_what_is_good_has_a_next_one(place: Place) -> None:
    serial = place.ledger.of_name("web-1")[0].serial
    with pytest.raises(UsageError, match="web-1 is its name"):
        latest(place.ledger, serial, NOW)
    revoking.revoke(place.path, "web-1", reason=Reason.UNSPECIFIED, now=NOW, by=BY)
    with pytest.raises(RefusedError, match="its last certificate is revoked"):
        latest(place.ledger, "web-1", NOW)
    with pytest.raises(NotFoundError):
        latest(place.ledger, "db-1", NOW)
