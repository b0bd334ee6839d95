"""Windows open at the due times of their line, by Debian's rules, and last their seconds on any clock."""

import json
import os
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, strategies as st

from controller.errors import DeclarationError
from controller.model.rollout import Window
from controller.planning.windows import closed_words, due, is_open, next_opening

CASES = (
    Path(os.environ.get("CTL_TEST_CASES", Path(__file__).parents[3] / "shared" / "cases"))
    / "cron"
    / "cronsim.json"
)
HOUR = 3600.0
FIELDS = 5
OFFICE = Window(allow="0 9 * * 1-5", seconds=8 * HOUR, timezone="Europe/Berlin")
NIGHT = Window(allow="30 2 * * *", seconds=HOUR, timezone="Europe/Berlin")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def cases(kind: str) -> list[object]:
    if not CASES.is_file():
        return []
    return cast("dict[str, list[object]]", json.loads(CASES.read_text()))[kind]


@pytest.mark.skipif(not CASES.is_file(), reason=f"{CASES} is missing")
def test_due_times_are_those_of_debian() -> None:
    """Lines with seconds are no cron; what runs backwards is asked by nobody."""
    asked = 0
    for case in cast("list[dict[str, str | list[str]]]", cases("next")):
        line = str(case["expression"])
        if case["reverse"] or len(line.split()) != FIELDS:
            continue
        after = datetime.fromisoformat(str(case["after"]))
        after = after if after.tzinfo else after.replace(tzinfo=UTC)
        wanted = [
            at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
            for at in map(datetime.fromisoformat, case["next"])
        ]
        found = list(islice(due(line, str(case["timezone"] or "UTC"), after), len(wanted)))
        assert [at.astimezone(UTC) for at in found] == wanted, case
        asked += 1
    assert asked > 30


@pytest.mark.skipif(not CASES.is_file(), reason=f"{CASES} is missing")
def test_what_is_no_cron_line_is_refused() -> None:
    lines = cast("list[str]", cases("must_refuse"))
    assert lines
    for line in lines:
        with pytest.raises(DeclarationError, match="cron line"):
            due(line, "UTC", utc("2026-03-01"))


@pytest.mark.parametrize(
    "line", ["", "* * * *", "0 * * * * *", "@daily", "61 * * * *", "9" * 5000 + " * * * *"]
)
def test_what_debian_does_not_know_is_refused(line: str) -> None:
    with pytest.raises(DeclarationError, match="cannot read the cron line"):
        due(line, "UTC", utc("2026-03-01"))


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "", "Europe"])
def test_a_zone_nobody_knows_is_refused(zone: str) -> None:
    with pytest.raises(DeclarationError, match="cannot find the time zone"):
        due("0 9 * * *", zone, utc("2026-03-01"))


@pytest.mark.parametrize(
    ("window", "now", "is_it"),
    [
        (OFFICE, "2026-12-01 07:59:59", False),  # Tuesday, 08:59:59 there
        (OFFICE, "2026-12-01 08:00", True),
        (OFFICE, "2026-12-01 15:59:59", True),
        (OFFICE, "2026-12-01 16:00", False),
        (OFFICE, "2026-12-05 10:00", False),  # Saturday
        (OFFICE, "2026-07-01 07:00", True),  # summer time
        # 02:30 is skipped on 29 March: the window opens at 03:00 there, right after the gap.
        (NIGHT, "2026-03-29 00:59", False),
        (NIGHT, "2026-03-29 01:00", True),
        (NIGHT, "2026-03-29 01:59", True),
        (NIGHT, "2026-03-29 02:00", False),
        # 02:30 comes twice on 25 October: it opens at the first, and only then.
        (NIGHT, "2026-10-25 00:30", True),
        (NIGHT, "2026-10-25 01:29", True),
        (NIGHT, "2026-10-25 01:30", False),
        (NIGHT, "2026-10-25 01:45", False),
        # Longer than from one opening to the next: it never closes.
        (Window(allow="0 9 * * *", seconds=30 * HOUR), "2026-03-01 08:00", True),
    ],
)
def test_a_window_is_open_from_its_due_time_on(window: Window, now: str, is_it: bool) -> None:
    assert is_open((window,), utc(now)) is is_it


def test_without_windows_there_is_nothing_to_wait_for() -> None:
    assert is_open((), utc("2026-03-01"))


def test_one_open_window_is_enough() -> None:
    never = Window(allow="0 0 1 1 *", seconds=60.0)
    assert is_open((never, OFFICE), utc("2026-12-01 08:00"))
    assert not is_open((never, OFFICE), utc("2026-12-01 17:00"))


@pytest.mark.parametrize(
    ("now", "zone", "words"),
    [
        ("2026-11-28 12:00", "UTC", "closed: opens Mon 2026-11-30 09:00 Europe/Berlin (08:00 UTC)"),
        (
            "2026-11-28 12:00",
            "Etc/UTC",
            "closed: opens Mon 2026-11-30 09:00 Europe/Berlin (08:00 UTC)",
        ),
        ("2026-11-28 12:00", "Europe/Berlin", "closed: opens Mon 2026-11-30 09:00 Europe/Berlin"),
        (
            "2026-11-28 12:00",
            "Pacific/Auckland",
            "closed: opens Mon 2026-11-30 09:00 Europe/Berlin (21:00 Pacific/Auckland)",
        ),
        (
            "2026-11-28 12:00",
            "Pacific/Honolulu",
            "closed: opens Mon 2026-11-30 09:00 Europe/Berlin (Sun 2026-11-29 22:00 Pacific/Honolulu)",
        ),
        # The person's zone is only for reading: one that is not known here stops nothing.
        (
            "2026-11-28 12:00",
            "No/Where",
            "closed: opens Mon 2026-11-30 09:00 Europe/Berlin (08:00 UTC)",
        ),
    ],
)
def test_the_next_opening_is_told_in_both_zones(now: str, zone: str, words: str) -> None:
    assert closed_words((OFFICE,), utc(now), zone) == words


def test_the_soonest_of_several_windows_is_told() -> None:
    later = Window(allow="0 12 * * *", seconds=60.0)
    assert next_opening((later, OFFICE), utc("2026-12-01 17:00")) == utc("2026-12-02 08:00")
    assert next_opening((later, OFFICE), utc("2026-12-01 08:00")) == utc("2026-12-01 12:00")


def test_in_the_second_turn_of_an_hour_nothing_past_is_due() -> None:
    """At 02:10 for the second time, 02:30 was due once already and is due again tomorrow."""
    second = utc("2026-10-25 01:10")
    assert next_opening((NIGHT,), second) == utc("2026-10-26 01:30")


moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)).map(  # noqa: DTZ001 - made UTC below
    lambda at: at.replace(tzinfo=UTC)
)
zones = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
lines = st.sampled_from(["0 9 * * 1-5", "30 2 * * *", "*/20 1-3 * * *", "15 * * * *", "0 0 1 * *"])


@given(moments, zones, lines, st.integers(60, 90_000))
def test_it_is_open_exactly_while_a_due_time_is_not_over(
    now: datetime, zone: str, line: str, seconds: int
) -> None:
    window = Window(allow=line, seconds=float(seconds), timezone=zone)
    # All due times of the last days, from a start at which no clock changes.
    begin = now - timedelta(seconds=seconds) - timedelta(days=33)
    last = None
    for at in due(line, zone, begin):
        if at > now:
            break
        last = at
    wanted = last is not None and now - last.astimezone(UTC) < timedelta(seconds=seconds)
    assert is_open((window,), now) is wanted


@given(moments, zones, lines)
def test_at_its_next_opening_a_window_is_open(now: datetime, zone: str, line: str) -> None:
    window = Window(allow=line, seconds=60.0, timezone=zone)
    opening = next_opening((window,), now)
    assert opening is not None
    assert opening > now
    assert is_open((window,), opening)
