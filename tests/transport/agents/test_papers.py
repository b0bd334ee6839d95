"""Who a person is towards agents: found in a folder, or refused with the remedy."""

from pathlib import Path

import pytest

from controller.errors import NotFoundError, RefusedError, StateError
from controller.pki import issuing, revoking
from controller.pki.reason import Reason
from controller.pki.role import Role
from controller.transport.agents.papers import Papers
from tests.pki.place import BY, Place, founded


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return founded(tmp_path / "ca")


def test_the_controller_is_chosen_before_admin_and_user(place: Place) -> None:
    place.issue("web-1")
    place.issue("ann", Role.USER)
    assert Papers(place.path).own.name == "ann"
    place.issue("ops", Role.ADMIN)
    assert Papers(place.path).own.name == "ops"
    place.issue("main", Role.CONTROLLER)
    assert Papers(place.path).own.name == "main"
    assert Papers(place.path, "ann").own.role is Role.USER


def test_two_of_one_role_have_to_be_told_apart(place: Place) -> None:
    place.issue("main", Role.CONTROLLER)
    place.issue("spare", Role.CONTROLLER)
    with pytest.raises(NotFoundError, match="main, spare") as caught:
        _ = Papers(place.path).own
    assert "pki: {name: main}" in str(caught.value.hint)
    assert Papers(place.path, "spare").own.name == "spare"


def test_whoever_is_not_wanted_is_passed_by(place: Place) -> None:
    people = (Role.ADMIN, Role.USER)
    place.issue("main", Role.CONTROLLER)
    assert Papers(place.path, roles=people).found is None
    place.issue("ann", Role.USER)
    found = Papers(place.path, roles=people)
    assert found.own.name == "ann"
    assert found.identity.certificate == place.path / "ann.crt"
    with pytest.raises(RefusedError):
        _ = Papers(place.path, "main", roles=people).found


def test_nobody_without_a_key(place: Place) -> None:
    place.issue("main", Role.CONTROLLER)
    (place.path / "main.key").unlink()
    with pytest.raises(NotFoundError) as caught:
        _ = Papers(place.path).own
    assert "ctl pki issue NAME --role controller" in str(caught.value.hint)


def test_an_agent_gives_no_orders(place: Place) -> None:
    place.issue("web-1")
    with pytest.raises(RefusedError, match="cannot act as agent web-1"):
        _ = Papers(place.path, "web-1").own


def test_a_folder_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        _ = Papers(tmp_path / "none").own
    with pytest.raises(NotFoundError, match=r"none/main\.crt"):
        _ = Papers(tmp_path / "none", "main").own


def test_what_is_no_certificate_is_said_so(place: Place) -> None:
    place.issue("main", Role.CONTROLLER)
    (place.path / "main.crt").write_bytes(b"nothing \xff")
    with pytest.raises(StateError, match="it is no certificate"):
        _ = Papers(place.path, "main").own


def test_a_renewed_certificate_is_shown_from_then_on(place: Place) -> None:
    place.issue("main", Role.CONTROLLER)
    papers = Papers(place.path, "main")
    before = papers.dialling()
    assert papers.dialling() is before
    renewal = issuing.Renewal()
    issuing.renew(place.path, "main", renewal, now=place.now, by=BY)
    assert papers.dialling() is not before


def test_a_key_that_others_may_read_is_not_used(place: Place) -> None:
    place.issue("main", Role.CONTROLLER)
    (place.path / "main.key").chmod(0o644)
    with pytest.raises(StateError, match="others may read it"):
        Papers(place.path, "main").dialling()


def test_a_revoked_agent_is_refused_though_it_was_read_before(place: Place) -> None:
    place.issue("main", Role.CONTROLLER)
    place.issue("web-1")
    papers = Papers(place.path, "main")
    assert papers.agent(place.der("web-1")).name == "web-1"
    revoking.revoke(place.path, "web-1", reason=Reason.SUPERSEDED, now=place.now, by=BY)
    with pytest.raises(RefusedError, match="agent web-1 was revoked"):
        papers.agent(place.der("web-1"))


def test_a_deny_list_that_was_there_must_stay_there(place: Place) -> None:
    place.issue("main", Role.CONTROLLER)
    place.issue("web-1")
    papers = Papers(place.path, "main")
    papers.agent(place.der("web-1"))
    (place.path / "denied").unlink()
    with pytest.raises(StateError, match="deny list"):
        papers.agent(place.der("web-1"))


def test_only_agents_are_agents(place: Place) -> None:
    place.issue("main", Role.CONTROLLER)
    papers = Papers(place.path, "main")
    with pytest.raises(RefusedError):
        papers.agent(place.der("main"))
    with pytest.raises(RefusedError, match="there is none"):
        papers.agent(None)
