"""The doors of a serving controller: whose certificates are asked for."""

from pathlib import Path

import pytest

from controller.pki.role import Role
from controller.service.gates import people_of
from tests.pki.place import NOW, founded


def test_certificates_are_a_login_where_an_authority_lies(tmp_path: Path) -> None:
    assert people_of(tmp_path / "none") is None
    place = founded(tmp_path / "pki")
    place.issue("ann", Role.USER)
    people = people_of(place.path)
    assert people is not None
    assert people.trust == place.trust
    assert people.who(place.der("ann"), NOW).name == "ann"


def test_an_authority_that_cannot_be_looked_at_is_said_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "round").symlink_to("round")
    assert people_of(tmp_path / "round") is None
    assert "certificates are no login" in caplog.text
