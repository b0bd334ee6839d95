"""Certificates as strangers might make them: whom they name, or why nobody."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from hypothesis import given, strategies as st

from controller.errors import RefusedError
from controller.pki.peer import Peer, peer
from controller.pki.role import Role
from tests.pki.place import BOTH, CN, ORG, OU, forged, founded

CLIENT = (ExtendedKeyUsageOID.CLIENT_AUTH,)
SERVER = (ExtendedKeyUsageOID.SERVER_AUTH,)
PERSON = ((ORG, "Example"), (OU, "admin"), (CN, "ops"))


@pytest.mark.parametrize("role", Role)
def test_what_we_issue_names_whom_it_was_issued_for(tmp_path: Path, role: Role) -> None:
    place = founded(tmp_path / "pki")
    one = place.issue("web-1", role)
    assert peer(place.der("web-1")) == Peer(
        name="web-1",
        role=role,
        serial=one.serial,
        organisation="Example",
        not_after=one.not_after,
    )


def test_the_forgery_these_tests_begin_with_would_pass() -> None:
    assert peer(forged()).name == "web-1"
    assert peer(forged(PERSON, usages=CLIENT, alternatives=())).role is Role.ADMIN


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ([(ORG, "Example"), (OU, "agent")], "0 CN"),
        ([(ORG, "Example"), (CN, "web-1")], "0 OU"),
        ([(OU, "agent"), (CN, "web-1")], "0 O,"),
        ([(ORG, "Example"), (OU, "agent"), (CN, "web-1"), (CN, "web-2")], "2 CN"),
        ([(ORG, "Example"), (OU, "agent"), (OU, "admin"), (CN, "web-1")], "2 OU"),
        ([(ORG, "Example"), (OU, "agent"), (OU, "agent"), (CN, "web-1")], "2 OU"),
        ([(ORG, "Example"), (ORG, "Other"), (OU, "agent"), (CN, "web-1")], "2 O,"),
        ([(ORG, "Example"), (OU, " agent"), (CN, "web-1")], "no role"),
        ([(ORG, "Example"), (OU, "AGENT"), (CN, "web-1")], "no role"),
        ([(ORG, "Example"), (OU, "agent\x00"), (CN, "web-1")], "no role"),
        ([(ORG, "Example"), (OU, "root"), (CN, "web-1")], "no role"),
        ([(ORG, "Example"), (OU, "agent"), (CN, "web-1,db-1")], "no name"),
        ([(ORG, "Example"), (OU, "agent"), (CN, "web-1/../x")], "no name"),
        ([(ORG, "Example"), (OU, "agent"), (CN, "")], "cannot be read"),
        ([(ORG, "Example"), (OU, "agent"), (CN, "w" * 65)], "cannot be read"),
        ([(ORG, "Example"), (OU, "agent"), (CN, "web-1\x00.example.com")], "no name"),
        ([(ORG, "Example"), (OU, "agent"), (CN, "w\u0435b-1")], "no name"),
        ([(ORG, "Example"), (OU, "agent"), (CN, "web-1\n")], "no name"),
        ([(ORG, "Example"), (OU, "agent"), (CN, "ca")], "no name"),
        ([(ORG, "Exam\nple"), (OU, "agent"), (CN, "web-1")], "no name"),
        (
            [(ORG, "Example"), (OU, "agent"), (CN, "web-1"), (NameOID.COUNTRY_NAME, "DE")],
            "more than O, OU and CN",
        ),
    ],
)
def test_a_name_that_is_not_exactly_one_of_each_is_refused(
    names: list[tuple[ObjectIdentifier, str]], why: str
) -> None:
    with pytest.raises(RefusedError, match=why):
        peer(forged(names))


@pytest.mark.parametrize(
    "usages", [None, CLIENT, SERVER, (*BOTH, ExtendedKeyUsageOID.CODE_SIGNING)]
)
def test_an_agent_is_good_for_both_ends_and_nothing_else(
    usages: tuple[ObjectIdentifier, ...] | None,
) -> None:
    with pytest.raises(RefusedError, match="its extended key usages are not those of role agent"):
        peer(forged(usages=usages))


@pytest.mark.parametrize("usages", [None, BOTH, SERVER])
def test_a_person_only_dials(usages: tuple[ObjectIdentifier, ...] | None) -> None:
    with pytest.raises(RefusedError, match="extended key usages"):
        peer(forged(PERSON, usages=usages, alternatives=()))


@pytest.mark.parametrize(
    "alternatives",
    [(), (x509.DNSName("web-2"),), (x509.DNSName("web-1"), x509.DNSName("*.example.com"))],
)
def test_a_machine_carries_its_own_name_and_no_pattern(
    alternatives: tuple[x509.GeneralName, ...],
) -> None:
    with pytest.raises(RefusedError, match=r"own name|pattern"):
        peer(forged(alternatives=alternatives))


def test_an_authority_is_nobodys_identity() -> None:
    with pytest.raises(RefusedError, match="certificate of an authority"):
        peer(forged(authority=True))


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 2048),
        ec.generate_private_key(ec.SECP384R1()),
        ec.generate_private_key(ec.SECP521R1()),
    ],
    ids=["RSA", "P-384", "P-521"],
)
def test_other_kinds_of_keys_are_refused(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
) -> None:
    with pytest.raises(RefusedError, match="not ECDSA on P-256"):
        peer(forged(key=key))


def test_who_is_denied_or_not_expected_is_refused() -> None:
    one = peer(forged())
    with pytest.raises(RefusedError, match=r"agent web-1 was revoked \(serial 03E8\)"):
        peer(forged(), denied={one.serial})
    with pytest.raises(RefusedError, match="is not controller"):
        peer(forged(), roles=[Role.CONTROLLER])
    assert peer(forged(), denied={"03E9"}, roles=[Role.AGENT]) == one


@given(st.binary(max_size=400))
def test_garbage_is_refused_and_nothing_worse(data: bytes) -> None:
    with pytest.raises(RefusedError):
        peer(data)


GOOD = forged()


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_damaged_certificate_names_the_same_or_nobody(place: int, change: int) -> None:
    damaged = bytearray(GOOD)
    damaged[place] ^= change
    try:
        found = peer(bytes(damaged))
    except RefusedError:
        return
    assert found.role in Role
    assert found.name
    assert found.name.isascii()


def test_a_certificate_has_a_size() -> None:
    with pytest.raises(RefusedError, match="more than"):
        peer(b"\x30" * 20_000)
