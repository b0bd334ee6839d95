"""The ledger as a fold: what its lines add up to."""

from datetime import timedelta

import pytest
from hypothesis import given, strategies as st

from controller.errors import StateError
from controller.pki.entries import (
    Entry,
    Founded,
    Issued,
    KeyPlace,
    Listed,
    Retired,
    Revoked,
    decode,
    encode,
)
from controller.pki.ledger import State, read
from controller.pki.reason import Reason
from controller.pki.role import Role
from tests.pki.place import BY, NOW

DAY = timedelta(days=1)


def founded(authority: str = "0" * 12) -> Founded:
    return Founded(
        authority=authority,
        organisation="Example",
        serial=f"FF{authority}",
        fingerprint="AA",
        not_before=NOW,
        not_after=NOW + 3650 * DAY,
        certificate="pem",
        at=NOW,
        by=BY,
    )


def issued(
    serial: str, name: str = "web-1", *, days: int = 10, authority: str = "0" * 12
) -> Issued:
    return Issued(
        serial=serial,
        name=name,
        role=Role.AGENT,
        organisation="Example",
        alternatives=(f"DNS:{name}",),
        authority=authority,
        fingerprint="AA",
        days=days,
        not_before=NOW,
        not_after=NOW + days * DAY,
        key=KeyPlace.HERE,
        certificate="pem",
        at=NOW,
        by=BY,
    )


def revoked(serial: str) -> Revoked:
    return Revoked(serial=serial, reason=Reason.SUPERSEDED, at=NOW, by=BY)


def lines(*entries: Entry) -> bytes:
    return b"".join(map(encode, entries))


@pytest.mark.parametrize(
    "entry",
    [
        founded(),
        issued("AA"),
        revoked("AA"),
        Retired(authority="0" * 12, at=NOW, by=BY),
        Listed(at=NOW),
    ],
)
def test_an_entry_is_one_line_and_read_as_it_was_written(entry: Entry) -> None:
    line = encode(entry)
    assert line.count(b"\n") == 1
    assert decode(line.rstrip(b"\n"), where="ledger:1") == entry


def test_a_field_of_a_later_version_is_no_harm() -> None:
    line = encode(Listed(at=NOW)).replace(b'"at"', b'"new":1,"at"')
    assert decode(line.rstrip(b"\n"), where="ledger:1") == Listed(at=NOW)


def test_the_newest_good_certificate_of_a_name_is_the_valid_one() -> None:
    known = read(lines(founded(), issued("AA", days=20), issued("BB", days=5)), where="ledger")
    old, new = known.of_name("web-1")
    assert (known.state(old, NOW), known.state(new, NOW)) == (State.REPLACED, State.VALID)
    later = NOW + 6 * DAY
    assert (known.state(old, later), known.state(new, later)) == (State.VALID, State.EXPIRED)
    assert known.live("WEB-1", later) == (old,)


def test_revoked_comes_before_retired_and_that_before_expired() -> None:
    entries: list[Entry] = [
        founded(),
        issued("AA"),
        issued("BB", "b"),
        issued("CC", "c"),
        revoked("AA"),
    ]
    entries += [founded("1" * 12), Retired(authority="0" * 12, at=NOW, by=BY)]
    known = read(lines(*entries), where="ledger")
    late = NOW + 99 * DAY
    states = [known.state(known.issued[serial], late) for serial in ("AA", "BB")]
    assert states == [State.REVOKED, State.RETIRED]
    assert [one.authority for one in known.trusted] == ["1" * 12]
    assert known.serials() == {"AA", "BB", "CC", "FF" + "0" * 12, "FF" + "1" * 12}


def test_the_first_reason_stands() -> None:
    again = Revoked(serial="AA", reason=Reason.KEY_COMPROMISE, at=NOW + DAY, by=BY)
    known = read(lines(founded(), issued("AA"), revoked("AA"), again), where="ledger")
    assert known.revoked["AA"].reason is Reason.SUPERSEDED


@pytest.mark.parametrize("entry", [revoked("EE"), Retired(authority="e" * 12, at=NOW, by=BY)])
def test_a_line_about_what_never_was_is_damage(entry: Entry) -> None:
    with pytest.raises(StateError, match="ledger:2: it speaks of"):
        read(lines(founded(), entry), where="ledger")


@given(st.integers(min_value=0))
def test_any_cut_of_a_ledger_is_a_ledger(cut: int) -> None:
    data = lines(founded(), issued("AA"), Listed(at=NOW), issued("BB"), revoked("AA"))
    known = read(data[: cut % (len(data) + 1)], where="ledger")
    assert known.length == data[: cut % (len(data) + 1)].count(b"\n")


@given(st.binary(max_size=200))
def test_garbage_is_told_and_nothing_worse(data: bytes) -> None:
    try:
        known = read(data + b"\n", where="ledger")
    except StateError as error:
        assert "ledger:" in error.message  # noqa: PT017  # garbage may also be nothing at all
        return
    assert known.length == 0
