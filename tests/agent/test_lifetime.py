"""When a certificate is due, and what the next one has to keep."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from controller.agent.errors import EnrolmentError, RenewalError
from controller.agent.lifetime import (
    AUTHORITIES,
    SPREAD,
    Lifetime,
    check_authorities,
    read_lifetime,
)
from controller.pki import renewing
from controller.pki.entries import Issued
from controller.wire.messages.renewal import SHARE
from tests.agent.renewal_room import NAME, aged_place
from tests.pki.place import founded

DAY = 86_400.0
HELD = Lifetime(begins=0.0, ends=90 * DAY, serial="0A", names=frozenset({("DNS", NAME)}))


@given(
    begins=st.floats(0, 4e9), life=st.floats(300, 825 * DAY), number=st.integers(1, (1 << 159) - 1)
)
def test_it_is_due_with_a_third_left_or_a_little_less(
    begins: float, life: float, number: int
) -> None:
    one = Lifetime(begins=begins, ends=begins + life, serial=f"{number:X}", names=frozenset())
    left = (one.ends - one.due) / (one.ends - one.begins)
    assert SHARE - SPREAD - 1e-6 <= left <= SHARE + 1e-6


def test_a_fleet_that_was_set_up_in_one_hour_does_not_ask_in_one() -> None:
    dues = sorted(replace(HELD, serial=f"{number * 7919:04X}").due for number in range(1, 1000))
    assert dues[-1] - dues[0] > 2 * DAY
    assert max(after - before for before, after in itertools.pairwise(dues)) < DAY / 4


def test_the_controller_takes_what_is_due(tmp_path: Path) -> None:
    """Both ends take the share from the wire: none asks too early for the other, whatever its serial."""
    place = aged_place(tmp_path / "pki")
    one = place.ledger.of_name(NAME)[-1]
    held = _lifetime(one)
    left = timedelta(seconds=held.ends - held.due)
    assert left <= (one.not_after - one.not_before) * SHARE + renewing.SLACK


def _lifetime(one: Issued) -> Lifetime:
    return Lifetime(
        begins=one.not_before.timestamp(),
        ends=one.not_after.timestamp(),
        serial="0000",
        names=frozenset(),
    )


def test_the_certificate_in_use_is_read_as_the_other_end_sees_it(tmp_path: Path) -> None:
    place = aged_place(tmp_path / "pki")
    one = place.ledger.of_name(NAME)[-1]
    found = read_lifetime(str(place.path), NAME)
    assert (found.begins, found.ends) == (one.not_before.timestamp(), one.not_after.timestamp())
    assert found.serial == one.serial
    assert ("DNS", "www.example.com") in found.names
    assert str(found) == f"ends on {one.not_after:%Y-%m-%d %H:%M} UTC"


def test_one_that_is_over_is_told(tmp_path: Path) -> None:
    place = aged_place(tmp_path / "pki", left=-1)
    with pytest.raises(EnrolmentError, match="is over by the clock"):
        read_lifetime(str(place.path), NAME)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ends": 90 * DAY}, "does not live longer"),
        ({"ends": 80 * DAY}, "does not live longer"),
        ({"names": frozenset()}, "other names"),
        ({"names": HELD.names | {("DNS", "bank.example.com")}}, "other names"),
    ],
)
def test_the_next_one_lives_longer_under_the_same_names(
    change: dict[str, object], words: str
) -> None:
    good = replace(HELD, ends=150 * DAY)
    HELD.check_next(good)
    with pytest.raises(RenewalError, match=words):
        HELD.check_next(replace(good, **change))  # type: ignore[arg-type]


def test_what_is_trusted_changes_step_by_step(tmp_path: Path) -> None:
    one, two, three = (
        founded(tmp_path / name).trust.read_bytes() for name in ("one", "two", "three")
    )
    check_authorities(one, one)
    check_authorities(two + one, one)
    check_authorities(two, one + two)
    check_authorities(one.replace(b"\n", b"\r\n"), one)
    for bundle, words in (
        (three, "no authority that is known"),
        (b"", "names 0"),
        (b"-----BEGIN CERTIFICATE-----", "names 0"),
    ):
        with pytest.raises(RenewalError, match=words):
            check_authorities(bundle, one + two)
    assert AUTHORITIES >= 2
