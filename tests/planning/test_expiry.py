from datetime import UTC, datetime, timedelta

from hypothesis import given, strategies as st

from controller.planning.expiry import DAYS, Ending, next_warning, passed, title_of, warnings

END = datetime(2027, 1, 31, tzinfo=UTC)
TOKEN = Ending(subject="secret/forge-token", title="secret forge-token", ends=END)
DAY = timedelta(days=1)


def before(days: float) -> datetime:
    return END - timedelta(days=days)


def test_thresholds_are_passed_at_their_very_moment() -> None:
    assert passed(TOKEN, before(30) - timedelta(seconds=1)) is None
    assert passed(TOKEN, before(30)) == 30
    assert passed(TOKEN, before(7)) == 7
    assert passed(TOKEN, before(1)) == 1
    assert passed(TOKEN, END) == 0
    assert passed(TOKEN, END + 400 * DAY) == 0


def test_whoever_begins_late_is_warned_once_and_not_three_times() -> None:
    (only,) = warnings([TOKEN], {}, before(3))
    assert only.days == 7
    assert warnings([TOKEN], {TOKEN.subject: only.key}, before(2)) == []


def test_a_new_end_is_warned_of_anew() -> None:
    (first,) = warnings([TOKEN], {}, before(3))
    later = Ending(subject=TOKEN.subject, title=TOKEN.title, ends=END + 300 * DAY)
    assert warnings([later], {TOKEN.subject: first.key}, before(3)) == []
    assert [one.days for one in warnings([later], {TOKEN.subject: first.key}, END + 280 * DAY)] == [
        30
    ]


def test_what_lives_shortly_is_not_warned_of_before_it_was_made() -> None:
    short = Ending(subject="token/x", title="token x", ends=END, began=before(1))
    assert passed(short, before(0.9)) is None
    assert passed(short, END) == 0
    week = Ending(subject="token/x", title="token x", ends=END, began=before(10))
    assert passed(week, before(8)) is None
    assert passed(week, before(7)) == 7


def test_titles_say_how_long_is_left() -> None:
    def title(now: datetime) -> str:
        return title_of(warnings([TOKEN], {}, now)[0], now)

    assert title(before(30)) == "secret forge-token ends in 30 days, on 2027-01-31 00:00 UTC"
    assert title(before(1)) == "secret forge-token ends in 1 day, on 2027-01-31 00:00 UTC"
    assert title(before(0.5)) == "secret forge-token ends within 12 h, on 2027-01-31 00:00 UTC"
    assert title(END) == "secret forge-token ended on 2027-01-31 00:00 UTC"


def test_the_nearest_end_is_told_first() -> None:
    other = Ending(subject="token/a", title="token a", ends=before(5))
    told = warnings([TOKEN, other], {}, before(6))
    assert [one.ending.subject for one in told] == ["token/a", "secret/forge-token"]


def test_without_endings_there_is_nothing_to_wait_for() -> None:
    assert next_warning([], END) is None
    assert next_warning([TOKEN], END) is None
    assert next_warning([TOKEN], before(30)) == before(7)


@given(st.lists(st.integers(0, 60 * 24), min_size=1, max_size=20).map(sorted))
def test_each_threshold_is_told_once_whenever_one_looks(hours: list[int]) -> None:
    told: dict[str, str] = {}
    heard: list[int] = []
    start = before(45)
    for hour in hours:
        for one in warnings([TOKEN], told, start + timedelta(hours=hour)):
            heard.append(one.days)
            told[one.ending.subject] = one.key
    assert heard == sorted(set(heard), reverse=True)
    last = passed(TOKEN, start + timedelta(hours=hours[-1]))
    assert heard[-1:] == ([] if last is None else [last])


@given(st.integers(0, 60 * 24))
def test_looking_when_the_next_one_is_due_misses_none(hour: int) -> None:
    start = before(60) + timedelta(hours=hour)
    now: datetime | None = start
    seen = []
    while now is not None:
        seen.append(passed(TOKEN, now))
        now = next_warning([TOKEN], now)
    assert seen == [passed(TOKEN, start), *(days for days in (*DAYS, 0) if before(days) > start)]
