"""Alternative names: what is read, what is refused, and that nothing changes on the way through a certificate."""

import pytest
from hypothesis import given, strategies as st

from controller.errors import UsageError
from controller.pki.alternatives import general, own, settle, text_of
from controller.pki.role import PEOPLE, Role


@pytest.mark.parametrize(
    ("typed", "settled"),
    [
        ("web-1.example.com", "DNS:web-1.example.com"),
        ("dns:w1", "DNS:w1"),
        ("10.0.0.5", "IP:10.0.0.5"),
        ("ip:10.0.0.5", "IP:10.0.0.5"),
        ("FD00:0::1", "IP:fd00::1"),
        ("IP:::1", "IP:::1"),
    ],
)
def test_names_of_machines(typed: str, settled: str) -> None:
    assert settle("web-1", Role.AGENT, [typed]) == ("DNS:web-1", settled)


def test_an_address_as_a_name_is_found_as_an_address() -> None:
    assert settle("10.0.0.5", Role.AGENT, ["10.0.0.5"]) == ("IP:10.0.0.5",)


def test_people_carry_only_what_was_wished_for() -> None:
    assert settle("ops", Role.USER, []) == ()
    wished = ["email:ops@example.com", "URI:spiffe://example.com/ops"]
    assert settle("ops", Role.ADMIN, wished) == tuple(wished)
    assert [text_of(general(text)) for text in wished] == wished


@pytest.mark.parametrize("name", ["a..b", "web-", "w.-x", "a:b:c"])
def test_a_machine_that_nothing_could_dial_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be found by the name"):
        settle(name, Role.AGENT, [])


@pytest.mark.parametrize(
    "typed",
    [
        "", "*", "*.example.com", "DNS:*.example.com", "DNS:", "DNS:10.0.0.5", "IP:web-1", "IP:10.0.0.0/8",
        "a..b", ".a", "-a", "a-", "a b", "web-1\n", "DNS:web-1\x00", "w\u0435b-1", "fe80::1%eth0", "DNS:DNS:x",
        "x" * 254, "other:x",
    ],
)  # fmt: skip
def test_what_is_no_name_is_refused(typed: str) -> None:
    with pytest.raises(UsageError, match="cannot read the alternative name"):
        settle("web-1", Role.AGENT, [typed])


@pytest.mark.parametrize("typed", ["email:", "email:a@b@c", "email:a b@c", "URI:x", "URI:http://a b", "URI:http://é"])  # fmt: skip
def test_what_is_no_address_of_a_person_is_refused(typed: str) -> None:
    with pytest.raises(UsageError, match="cannot read the alternative name"):
        settle("ops", Role.USER, [typed])


@pytest.mark.parametrize(
    ("role", "typed"),
    [(Role.USER, "web-1"), (Role.ADMIN, "IP:10.0.0.5"), (Role.AGENT, "email:a@example.com")],
)
def test_a_name_has_to_fit_the_role(role: Role, typed: str) -> None:
    with pytest.raises(UsageError, match="to a certificate of role"):
        settle("one", role, [typed])


def test_there_are_not_too_many() -> None:
    assert len(settle("web-1", Role.AGENT, [f"w{n}" for n in range(31)])) == 32
    with pytest.raises(UsageError, match="cannot put 33 alternative names"):
        settle("web-1", Role.AGENT, [f"w{n}" for n in range(32)])


@given(st.text(max_size=60), st.sampled_from(Role))
def test_what_is_settled_goes_through_a_certificate_unchanged(typed: str, role: Role) -> None:
    try:
        settled = settle("web-1", role, [typed])
    except UsageError:
        return
    assert [text_of(general(text)) for text in settled] == list(settled)
    assert all("*" not in text for text in settled)
    assert role in PEOPLE or settled[0] == own("web-1")
