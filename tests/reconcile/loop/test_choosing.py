"""What the loop carries out of a plan: never the same thing again and again, and never what a newer commit made pointless."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from controller.errors import NotFoundError
from controller.jobs.job import UNREACHABLE
from controller.jobs.reasons import HALTED
from controller.model.ids import Digest, JobId, RunId, Sha
from controller.model.job import Job, State, Trigger
from controller.model.plan import Action, Blocker, Change, Gate, Plan
from controller.model.rollout import Order, WhenOffline
from controller.reconcile.loop.choosing import (
    FIRST_SECONDS,
    LONGEST_SECONDS,
    choose,
    superseded,
)
from controller.reconcile.loop.keys import NAMED, Key, Kind
from controller.reconcile.loop.result import After, Done, sooner
from controller.reconcile.loop.spread import WIDTH, backoff, spread

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OLD, NEW = Digest("1" * 64), Digest("2" * 64)


def change(server: str = "web-1", **more: object) -> Change:
    made = Change(
        target="shop",
        server=server,
        task="deploy",
        action=Action.CHANGE,
        before=OLD,
        after=NEW,
    )
    return replace(made, **more)  # type: ignore[arg-type]


def job(state: State, minutes: float, **more: object) -> Job:
    """Make a job that was made, and ended, so many minutes ago."""
    at = NOW - timedelta(minutes=minutes)
    made = Job(
        id=JobId(f"j{minutes}"),
        run=RunId(f"r{minutes}"),
        target="shop",
        task="deploy",
        server="web-1",
        state=state,
        digest=NEW,
        created_at=at,
        finished_at=at if state.ended else None,
    )
    return replace(made, **more)  # type: ignore[arg-type]


def plan(*changes: Change, **orders: Order) -> Plan:
    return Plan(commit=None, digest=Digest(""), created_at=NOW, changes=changes, orders=orders)


def chosen(one: Change, *past: Job, **orders: Order) -> bool:
    found = choose(plan(one, **orders), "shop", taken=(), past={"web-1": past}, now=NOW)
    return bool(found.changes)


def test_only_the_target_that_is_decided_about_is_carried_out() -> None:
    both = plan(change(), change(target="db"))
    assert choose(both, "shop", taken=(), past={}, now=NOW).changes == (change(),)


def test_a_pair_that_has_a_job_already_gets_none() -> None:
    both = plan(change("web-1"), change("web-2"))
    found = choose(both, "shop", taken=["web-1"], past={}, now=NOW)
    assert [one.server for one in found.changes] == ["web-2"]


@pytest.mark.parametrize("state", [State.CANCELLED, State.INTERRUPTED, State.SKIPPED])
def test_what_came_to_nothing_waits_ever_longer_before_it_runs_again(state: State) -> None:
    assert not chosen(change(), job(state, 0.5))
    assert chosen(change(), job(state, 1.1))
    assert not chosen(change(), job(state, 1.1), job(state, 5))
    assert chosen(change(), job(state, 2.1), job(state, 5))
    many = [job(state, 59 + number) for number in range(12)]
    assert not chosen(change(), *many)
    assert chosen(change(), *(job(state, 61 + number) for number in range(12)))


def test_it_is_said_until_when_a_pair_waits() -> None:
    past = {"web-1": [job(State.CANCELLED, 0.5)]}
    found = choose(plan(change()), "shop", taken=(), past=past, now=NOW)
    assert found.due == NOW + timedelta(seconds=FIRST_SECONDS - 30)
    assert "ended cancelled" in found.held["web-1"]


def test_other_inputs_wait_for_nothing() -> None:
    assert chosen(change(), job(State.CANCELLED, 0.1, digest=OLD))


def test_what_was_withdrawn_for_a_newer_commit_does_not_count() -> None:
    assert chosen(change(), job(State.SKIPPED, 0.1, reason="superseded by abc"))


def test_a_halted_rollout_is_not_begun_anew_by_the_loop() -> None:
    assert not chosen(change(), job(State.SKIPPED, 10_000, reason=HALTED))
    assert chosen(change(), job(State.SKIPPED, 10_000, reason=HALTED, digest=OLD))


def test_what_becomes_of_an_away_server_is_said_once_for_the_same_inputs() -> None:
    away = change(blocked_by=Blocker(gate=Gate.OFFLINE, message="no answer"))
    skip = {"shop": Order(when_offline=WhenOffline.SKIP)}
    assert chosen(away, **skip)
    assert not chosen(away, job(State.SKIPPED, 10_000, reason=UNREACHABLE), **skip)
    assert chosen(away, job(State.SKIPPED, 10_000, reason=UNREACHABLE, digest=OLD), **skip)


def test_drift_is_healed_three_times_within_an_hour() -> None:
    repair = change(action=Action.REPAIR, trigger=Trigger.DRIFT)
    heals = [job(State.SUCCEEDED, minutes, trigger=Trigger.DRIFT) for minutes in (5, 20, 50)]
    assert chosen(repair, *heals[:2])
    assert not chosen(repair, *heals)
    found = choose(plan(repair), "shop", taken=(), past={"web-1": heals}, now=NOW)
    assert found.due == NOW + timedelta(minutes=10)
    late = [job(State.SUCCEEDED, minutes, trigger=Trigger.DRIFT) for minutes in (5, 20, 61)]
    assert chosen(repair, *late)


def test_a_clock_that_was_set_back_holds_nothing_up() -> None:
    later = [job(State.FAILED, -minutes) for minutes in (90, 60, 30)]
    assert chosen(change(), *later)
    assert not chosen(change(), job(State.FAILED, 0.1), *later), "after the next end it counts"
    repair = change(action=Action.REPAIR, trigger=Trigger.DRIFT)
    heals = [job(State.SUCCEEDED, -minutes, trigger=Trigger.DRIFT) for minutes in (90, 60, 30)]
    assert chosen(repair, *heals)


@given(st.lists(st.sampled_from(list(State)), max_size=14), st.floats(0, 600))
def test_nothing_waits_longer_than_an_hour_after_its_last_end(
    states: list[State], minutes: float
) -> None:
    past = [job(state, minutes + number) for number, state in enumerate(states)]
    found = choose(plan(change()), "shop", taken=(), past={"web-1": past}, now=NOW)
    assert found.changes or found.due is not None
    if found.due is not None:
        assert found.due <= NOW + timedelta(seconds=LONGEST_SECONDS)
    if minutes * 60 > LONGEST_SECONDS:
        assert found.changes


def test_only_what_never_began_is_out_of_date_and_only_when_it_differs() -> None:
    waiting, running = job(State.PENDING, 1), job(State.RUNNING, 2)
    asked = job(State.PENDING, 3, trigger=Trigger.MANUAL, digest=OLD)
    stale = job(State.PENDING, 4, digest=OLD)
    gone = job(State.PENDING, 5, server="web-9")
    going = job(State.PENDING, 6, server="web-8", trigger=Trigger.REMOVAL)
    back = job(State.PENDING, 7, trigger=Trigger.REMOVAL)
    jobs = [waiting, running, asked, stale, gone, going, back]
    found = superseded(jobs, {"web-1": NEW}, Sha("a" * 40))
    assert found == dict.fromkeys([stale.id, gone.id, back.id], f"superseded by {'a' * 12}")


@given(st.sampled_from(list(Kind)), st.text(min_size=1).filter(str.strip))
def test_a_key_is_read_as_it_was_written(kind: Kind, name: str) -> None:
    key = Key(kind, name if kind in NAMED else "")
    assert Key.parse(str(key)) == key


@pytest.mark.parametrize("text", ["", "repo", "repo/", "config/x", "nobody/x", "/", "run"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(NotFoundError):
        Key.parse(text)


def test_of_two_results_the_one_that_is_due_first_counts() -> None:
    soon, late = After(1.0, "a"), After(2.0, "b")
    assert sooner(soon, late) == sooner(late, soon) == soon
    assert sooner(Done(), late) == sooner(late, Done()) == late
    assert sooner(Done(), Done()) == Done()


@given(st.text(), st.floats(1, 1e6), st.integers(0, 10_000))
def test_spread_times_stay_near_and_pauses_grow_to_a_bound(
    name: str, seconds: float, fails: int
) -> None:
    assert abs(spread(seconds, name) - seconds) <= seconds * WIDTH * 1.000001
    assert 0.5 <= backoff(fails, name) <= 300
    assert backoff(fails, name) <= backoff(fails + 2, name) or backoff(fails, name) >= 150
