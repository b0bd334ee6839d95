"""Once per due time, whatever restarts, clock changes and clocks that are set."""

import json
import os
from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings, strategies as st

from controller.errors import DeclarationError
from controller.model.schedule import Schedule
from controller.model.serving import Due
from controller.planning.schedules import (
    MOST_MISSED,
    Pending,
    due_times,
    due_words,
    next_due,
    pending,
    schedule_words,
)

CASES = (
    Path(os.environ.get("CTL_TEST_CASES", Path(__file__).parents[3] / "shared" / "cases"))
    / "cron"
    / "cronsim.json"
)
FIELDS = 5
NIGHTLY = Schedule(cron="30 2 * * *", timezone="Europe/Berlin")
HOURLY = Schedule(cron="0 * * * *")
MINUTE = timedelta(minutes=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def done(at: datetime, outcome: str = "fired") -> Due:
    return Due(target="t", due=at, at=at, outcome=outcome)


@pytest.mark.skipif(not CASES.is_file(), reason=f"{CASES} is missing")
def test_due_times_are_those_of_debian() -> None:
    """Lines with seconds are no cron and are refused as such."""
    cases = cast("list[dict[str, object]]", json.loads(CASES.read_text())["next"])
    asked = 0
    for case in cases:
        line = str(case["expression"])
        after = datetime.fromisoformat(str(case["after"]))
        after = after if after.tzinfo else after.replace(tzinfo=UTC)
        if len(line.split()) != FIELDS:
            with pytest.raises(DeclarationError, match="5 fields"):
                next_due(Schedule(cron=line), after)
            continue
        assert not case["reverse"]
        wanted = [
            at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
            for at in map(datetime.fromisoformat, cast("list[str]", case["next"]))
        ]
        schedule = Schedule(cron=line, timezone=str(case["timezone"] or "UTC"))
        assert list(due_times(schedule, after, wanted[-1])) == wanted, case
        assert next_due(schedule, after) == wanted[0]
        asked += 1
    assert (asked, len(cases)) == (40, 44)


def test_the_skipped_hour_is_made_up_for_at_its_end_and_once() -> None:
    found = list(due_times(NIGHTLY, utc("2026-03-28 12:00"), utc("2026-03-30 12:00")))
    assert found == [utc("2026-03-29 01:00"), utc("2026-03-30 00:30")]
    often = Schedule(cron="0,15,30 2 * * *", timezone="Europe/Berlin")
    assert list(due_times(often, utc("2026-03-28 12:00"), utc("2026-03-29 12:00"))) == [
        utc("2026-03-29 01:00")
    ]


def test_in_an_hour_that_comes_twice_only_the_first_turn_counts() -> None:
    found = list(due_times(NIGHTLY, utc("2026-10-24 12:00"), utc("2026-10-26 12:00")))
    assert found == [utc("2026-10-25 00:30"), utc("2026-10-26 01:30")]
    between = pending(NIGHTLY, done(found[0]), utc("2026-10-01"), utc("2026-10-25 01:45"))
    assert between == Pending(next=found[1])


def test_every_is_counted_from_its_anchor_whenever_it_is_looked_at() -> None:
    anchor = utc("2026-12-01 02:30")
    schedule = Schedule(every=90_000.0, anchor=anchor)
    assert next_due(schedule, utc("2020-01-01")) == anchor
    assert next_due(schedule, anchor) == anchor + timedelta(hours=25)
    assert next_due(schedule, anchor - timedelta(microseconds=1)) == anchor
    assert next_due(Schedule(every=21_600.0), utc("2026-12-01 06:00")) == utc("2026-12-01 12:00")
    assert next_due(Schedule(every=86_400.0), utc("9999-12-31 12:00")) is None


def test_a_new_schedule_makes_up_for_nothing() -> None:
    since = utc("2026-12-01 10:30")
    assert pending(HOURLY, None, since, since) == Pending(next=utc("2026-12-01 11:00"))
    now = utc("2026-12-01 11:00")
    assert pending(HOURLY, None, since, now) == Pending(fire=now, next=utc("2026-12-01 12:00"))
    old = done(utc("2026-11-30 10:00"))
    assert pending(HOURLY, old, since, since).fire is None


def test_what_was_missed_is_one_run_for_the_latest() -> None:
    last = done(utc("2026-12-01 02:00"))
    found = pending(HOURLY, last, utc("2026-01-01"), utc("2026-12-01 05:30"))
    assert found == Pending(
        fire=utc("2026-12-01 05:00"),
        missed=(utc("2026-12-01 03:00"), utc("2026-12-01 04:00")),
        next=utc("2026-12-01 06:00"),
    )


@pytest.mark.parametrize(
    "schedule", [Schedule(cron="* * * * *"), Schedule(every=60.0)], ids=["cron", "every"]
)
def test_years_of_missed_minutes_are_counted_up_to_a_bound(schedule: Schedule) -> None:
    now = utc("2026-12-01 05:30:30")
    found = pending(schedule, done(utc("2016-12-01 02:00")), utc("2016-01-01"), now)
    assert found.fire == utc("2026-12-01 05:30")
    assert len(found.missed) == MOST_MISSED
    assert found.uncounted
    assert found.missed[-1] == utc("2026-12-01 05:29")


def test_as_many_as_may_be_told_are_all() -> None:
    now = utc("2026-12-05 05:00")
    last = done(now - timedelta(hours=MOST_MISSED + 1))
    found = pending(HOURLY, last, utc("2026-01-01"), now)
    assert (len(found.missed), found.uncounted) == (MOST_MISSED, False)
    last = done(now - timedelta(hours=MOST_MISSED + 2))
    found = pending(HOURLY, last, utc("2026-01-01"), now)
    assert (len(found.missed), found.uncounted) == (MOST_MISSED, True)


def test_a_rare_time_that_was_missed_long_ago_is_found() -> None:
    leap = Schedule(cron="0 0 29 2 *")
    found = pending(leap, None, utc("2023-01-01"), utc("2027-06-01"))
    assert (found.fire, found.missed) == (utc("2024-02-29"), ())
    assert found.next == utc("2028-02-29")


def test_a_clock_that_was_far_ahead_stops_nothing_for_years() -> None:
    ahead = done(utc("2038-01-01 00:00"))
    since, now = utc("2026-01-01"), utc("2026-12-01 05:00")
    found = pending(HOURLY, ahead, since, now)
    assert (found.fire, found.next) == (now, utc("2026-12-01 06:00"))
    assert pending(HOURLY, ahead, since, now + timedelta(minutes=30)).fire is None


def test_what_was_first_seen_in_the_future_waits_for_its_time() -> None:
    found = pending(HOURLY, None, utc("2038-01-01"), utc("2026-12-01 05:00"))
    assert found == Pending(next=utc("2026-12-01 06:00"))


@pytest.mark.parametrize(
    ("schedule", "words", "due"),
    [
        (NIGHTLY, "30 2 * * * (Europe/Berlin)", "2026-12-01 03:00"),
        (Schedule(every=21_600.0), "every 6h", "2026-12-01 02:00 UTC"),
        (Schedule(every=90.0), "every 90s", "2026-12-01 02:00 UTC"),
        (
            Schedule(every=172_800.0, anchor=utc("2026-12-01 02:00")),
            "every 2d from 2026-12-01 02:00 UTC",
            "2026-12-01 02:00 UTC",
        ),
    ],
)
def test_people_read_a_schedule_in_its_own_zone(schedule: Schedule, words: str, due: str) -> None:
    assert schedule_words(schedule) == words
    assert due_words(schedule, utc("2026-12-01 02:00")) == due


moments = st.integers(0, 365 * 24 * 60).map(lambda minute: utc("2026-01-01") + minute * MINUTE)
zones = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo"]
)
lines = st.sampled_from(
    [
        "0 3 * * *",
        "30 2 * * *",
        "15,45 1-3 * * *",
        "*/20 * * * *",
        "0 */2 * * *",
        "59 23 * * 0",
        "0 0 * * *",
    ]
)
schedules = st.one_of(
    st.builds(lambda line, zone: Schedule(cron=line, timezone=zone), lines, zones),
    st.builds(
        lambda minutes, anchor: Schedule(every=60.0 * minutes, anchor=anchor),
        st.integers(1, 3_000),
        st.none() | moments,
    ),
)
near_changes = st.sampled_from(
    [
        "2026-03-08 06:00",
        "2026-03-29 00:00",
        "2026-04-04 14:00",
        "2026-10-25 00:00",
        "2026-11-01 05:00",
    ]
).flatmap(lambda text: st.integers(-180, 240).map(lambda minute: utc(text) + minute * MINUTE))


@given(schedules, moments | near_changes, st.lists(st.integers(0, 400), max_size=6))
def test_wherever_one_starts_to_look_the_due_times_are_the_same(
    schedule: Schedule, start: datetime, gaps: list[int]
) -> None:
    ends = [start]
    for gap in gaps:
        ends.append(ends[-1] + gap * MINUTE)
    whole = list(due_times(schedule, start, ends[-1]))
    parts = [at for one, other in pairwise(ends) for at in due_times(schedule, one, other)]
    assert parts == whole
    assert whole == sorted(set(whole))


class Shelf:
    """A schedule with the rows that the state keeps of it."""

    def __init__(self, schedule: Schedule, since: datetime) -> None:
        self.schedule = schedule
        self.since = since
        self.rows: dict[datetime, str] = {}

    def look(self, now: datetime) -> Pending:
        last = max(self.rows, default=None)
        found = pending(self.schedule, None if last is None else done(last), self.since, now)
        if found.fire is not None:
            assert self.since < found.fire <= now
            for missed in found.missed:
                assert self.rows.setdefault(missed, "missed") != "fired"
            self.rows.setdefault(found.fire, "fired")
        return found


@given(schedules, moments | near_changes, st.lists(st.integers(0, 600), min_size=1, max_size=30))
@settings(deadline=None)
def test_over_restarts_every_due_time_is_fired_once_or_missed(
    schedule: Schedule, start: datetime, pauses: list[int]
) -> None:
    shelf, now = Shelf(schedule, start), start
    looks = []
    for pause in pauses:
        now += pause * MINUTE
        shelf.look(now)
        looks.append(now)
    wanted = list(due_times(schedule, start, now))
    # Between two looks the latest is fired, all before it are missed.
    fired = {
        max(at for at in wanted if at <= look) for look in looks if wanted[:1] and wanted[0] <= look
    }
    assert {at for at, outcome in shelf.rows.items() if outcome == "fired"} == fired
    assert set(shelf.rows) <= set(wanted)
    if all(pause <= MOST_MISSED for pause in pauses):
        assert sorted(shelf.rows) == wanted


@given(
    schedules,
    st.lists(st.tuples(st.integers(0, 90), st.integers(-90, 90)), min_size=1, max_size=30),
)
@settings(deadline=None)
def test_a_clock_that_is_set_fires_nothing_twice_and_forgets_nothing(
    schedule: Schedule, steps: list[tuple[int, int]]
) -> None:
    start = utc("2026-06-01")
    shelf, clock, highest = Shelf(schedule, start), start, start
    for pause, jump in steps:
        before = dict(shelf.rows)
        clock = max(start, clock + (pause + jump) * MINUTE)
        highest = max(highest, clock)
        shelf.look(clock)
        assert {at: shelf.rows[at] for at in before} == before
    assert sorted(shelf.rows) == list(due_times(schedule, start, highest))


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
@pytest.mark.parametrize("start", ["2026-03-10", "2026-10-15"])
def test_thirty_days_looked_at_when_something_is_due_miss_nothing(zone: str, start: str) -> None:
    schedule = Schedule(cron="*/7 1-4 * * *", timezone=zone)
    began = utc(start)
    shelf, now, end = Shelf(schedule, began), began, began + timedelta(days=30)
    late = []
    while now <= end:
        found = shelf.look(now)
        assert not found.missed
        if found.fire is not None:
            late.append(now - found.fire)
        assert found.next is not None
        now = found.next
    assert sorted(shelf.rows) == list(due_times(schedule, began, end))
    assert set(shelf.rows.values()) == {"fired"}
    assert max(late) == timedelta(0)


def test_every_line_is_due_on_the_minute_the_wall_shows() -> None:
    zone = ZoneInfo("Europe/Berlin")
    schedule = Schedule(cron="17 5 * * *", timezone="Europe/Berlin")
    times = list(islice(due_times(schedule, utc("2026-01-01"), utc("2027-01-01")), 400))
    assert len(times) == 365
    assert {(at.astimezone(zone).hour, at.astimezone(zone).minute) for at in times} == {(5, 17)}
    assert bisect_right(times, utc("2026-07-01")) == 181
