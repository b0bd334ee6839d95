"""The small pure parts of the API: paths, pages, rates."""

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from controller.api.matching import Table, spelled
from controller.api.pages import to_second
from controller.api.paging import names_after, page_of, read_cursor, write_cursor
from controller.api.problems import INTERNAL, ProblemError, problem_of
from controller.api.rates import KNOWN, Rates, Streams
from controller.api.settings import Rate
from controller.api.table import ROUTES
from controller.errors import ControllerError, Disposition, IllegalTransitionError

START = datetime(2026, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        ("2026-01-31T10:11:12.123456+00:00", "2026-01-31T10:11:12+00:00"),
        ("2026-01-31T10:11:12.5Z", "2026-01-31T10:11:12Z"),
        ("2026-01-31T10:11:12Z", "2026-01-31T10:11:12Z"),
        ("never", "never"),
        (None, None),
    ],
)
def test_pages_tell_times_to_the_second(moment: str | None, shown: str | None) -> None:
    assert to_second(moment) == shown


@given(st.binary(max_size=60))
def test_a_path_is_read_in_one_way_or_refused(raw: bytes) -> None:
    with contextlib.suppress(ProblemError):
        path = spelled(b"/" + raw)
        assert ".." not in path.split("/")
        assert "//" not in path
        assert "\\" not in path
        assert path.isprintable()


@given(st.sampled_from(["GET", "POST", "PUT", "X"]), st.text("abc/{}%.:~-1", max_size=40))
def test_whatever_is_asked_for_the_table_finds_a_route_or_refuses(method: str, path: str) -> None:
    with contextlib.suppress(ProblemError):
        assert Table(ROUTES).find(method, f"/{path}".encode()).route.method == method


@given(st.sets(st.text("abc", min_size=1, max_size=4)), st.integers(1, 5))
def test_pages_give_every_name_once_and_in_order(names: set[str], limit: int) -> None:
    seen: list[object] = []
    last = None
    while True:
        page = page_of("k", names_after(names, last, limit), str, limit, str)
        items = page["items"]
        assert isinstance(items, list)
        assert len(items) <= limit
        seen += items
        if page["next"] is None:
            break
        last = read_cursor("k", str(page["next"]))
    assert seen == sorted(names)


@given(st.text(min_size=1).filter(lambda text: "\0" not in text and text.isprintable()))
def test_a_cursor_is_read_as_it_was_written_and_by_its_own_list_alone(last: str) -> None:
    cursor = write_cursor("jobs", last)
    assert read_cursor("jobs", cursor) == last
    with pytest.raises(ProblemError):
        read_cursor("runs", cursor)


@given(st.lists(st.floats(0, 5), max_size=60))
def test_nobody_gets_more_than_burst_and_rate(pauses: list[float]) -> None:
    rates, now, taken = Rates(Rate(second=2.0, burst=3)), START, 0
    for pause in pauses:
        now += timedelta(seconds=pause)
        taken += rates.take("a", now) == 0.0
    assert taken <= 3 + 2.0 * sum(pauses) + 1e-6


def test_a_clock_that_was_set_back_gives_nothing() -> None:
    rates = Rates(Rate(second=1.0, burst=1))
    assert rates.take("a", START) == 0.0
    assert rates.take("a", START - timedelta(days=1)) > 0
    assert rates.take("a", START - timedelta(days=1) + timedelta(seconds=2)) == 0.0


def test_of_many_callers_the_longest_unseen_is_forgotten() -> None:
    rates = Rates(Rate(second=0.001, burst=1))
    assert rates.take("first", START) == 0.0
    assert rates.take("first", START) > 0
    for at in range(KNOWN):
        rates.take(str(at), START)
    assert len(rates._buckets) == KNOWN
    assert rates.take("first", START) == 0.0


def test_streams_are_counted_by_caller_and_together() -> None:
    streams = Streams(2, 3)
    assert [streams.enter(name) for name in "aaabb"] == [True, True, False, True, False]
    streams.leave("a")
    assert streams.enter("b")
    for name in "abb":
        streams.leave(name)
    assert streams.count == 0


def test_strangers_leave_half_of_the_streams_to_those_who_are_known() -> None:
    streams = Streams(2, 4)
    assert [streams.enter(f"address {n}", strange=True) for n in range(4)] == [
        True,
        True,
        False,
        False,
    ]
    assert [streams.enter(f"token {n}") for n in range(3)] == [True, True, False]


def test_only_a_bug_is_told_as_one() -> None:
    def kinds(kind: type[ControllerError]) -> set[type[ControllerError]]:
        return {kind}.union(*(kinds(one) for one in kind.__subclasses__()))

    assert len(kinds(ControllerError)) > 10
    for kind in kinds(ControllerError):
        made = kind.__new__(kind, "canary")
        ControllerError.__init__(made, "canary", hint="a remedy")
        problem = problem_of(made)
        if kind.disposition is Disposition.BUG and kind is not IllegalTransitionError:
            assert problem == INTERNAL, kind
        else:
            assert (problem.detail, problem.hint) == ("canary", "a remedy"), kind
            assert problem.status != 500
