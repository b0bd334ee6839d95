"""Names of every kind: none leaves its field, and none its folder."""

from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from controller.errors import RefusedError, UsageError
from controller.pki import leaf
from controller.pki.role import PEOPLE, Role
from controller.pki.subject import Subject, check_name, check_organisation, check_owner, is_name
from tests.pki.place import CN, Place, founded

HOSTILE = st.one_of(
    st.text(max_size=80),
    st.text("ab./-_:,=+\\\"'\n\r\t\x00*?~$ \u202e\u200b\u0430", max_size=12),
    st.sampled_from(
        [
            "..", ".", "../../etc/passwd", "a/../b", "/etc/shadow", "ca", "CA", "ca-0123456789ab",
            "lock", "ledger", "denied", "crl", "-rf", "--dir=/", "a,OU=admin", "a+CN=b", "a/CN=b",
            "a\nCN=b", "web-1\x00.example.com", "*", "*.example.com", "\uff57\uff45\uff42", "web-1 ", "a" * 65,
        ]
    ),
)  # fmt: skip


@given(HOSTILE, st.sampled_from(Role))
def test_an_accepted_name_is_one_plain_file_and_one_plain_field(name: str, role: Role) -> None:
    try:
        check_name(name, role)
    except UsageError:
        assert not is_name(name, role)
        return
    assert Path(f"{name}.key").name == f"{name}.key"
    assert name.isascii()
    assert name.isprintable()
    assert not set(name) & set("/\\,+=\"'<>;*? \x00")
    assert name[0] not in ".-"
    assert len(name) <= 64
    made = leaf.name(Subject(name=name, role=role, organisation="Example"))
    assert len(list(made)) == 3
    assert [a.value for a in made.get_attributes_for_oid(CN)] == [name]


def _below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return founded(tmp_path_factory.mktemp("names") / "pki")


@settings(max_examples=60, deadline=None)
@given(HOSTILE, HOSTILE, st.sampled_from(Role))
def test_nothing_is_written_outside_and_nothing_by_a_refused_name(
    shared: Place, name: str, further: str, role: Role
) -> None:
    around = shared.path.parent
    before, known = _below(around), set(shared.ledger.issued)
    try:
        one = shared.issue(name, role, alternatives=(further,))
    except (UsageError, RefusedError):
        assert _below(around) == before
        assert set(shared.ledger.issued) == known
        return
    assert _below(around) - before <= {f"pki/{one.name}.crt", f"pki/{one.name}.key"}


def test_the_authority_cannot_be_overwritten_by_a_name(tmp_path: Path) -> None:
    place = founded(tmp_path / "pki")
    before = place.trust.read_bytes(), (place.path / "ca.key").read_bytes()
    for name in ("ca", "CA", f"ca-{place.ledger.newest.authority}"):
        with pytest.raises(UsageError, match="the authority itself"):
            place.issue(name)
    assert before == (place.trust.read_bytes(), (place.path / "ca.key").read_bytes())


@pytest.mark.parametrize("name", ["web-1", "web_1", "10.0.0.5", "fd00::1", "Web-1.Example.com"])
def test_what_servers_are_called_can_be_certified(name: str) -> None:
    check_name(name, Role.AGENT)


@pytest.mark.parametrize("role", sorted(PEOPLE))
def test_people_are_called_as_in_access_and_on_linux(role: Role) -> None:
    for name in ("alice", "_apt", "deploy.user", "0day", "a-b_c"):
        check_name(name, role)
    for name in ("Alice", "al ice", "fd00::1", "alice@example.com"):
        with pytest.raises(UsageError):
            check_name(name, role)


@pytest.mark.parametrize("user", ["", "Root", "0", "a b", "a:b", "../x", "x" * 33])
def test_an_owner_is_a_linux_user(user: str) -> None:
    with pytest.raises(UsageError):
        check_owner(user)
    check_owner("deploy")


@given(st.text(max_size=60))
def test_an_accepted_organisation_leaves_room_for_the_name_of_its_authority(text: str) -> None:
    try:
        check_organisation(text)
    except UsageError:
        return
    assert len(f"{text} CA 0123456789ab") <= 64
    assert text.isascii()
    assert text.strip() == text
