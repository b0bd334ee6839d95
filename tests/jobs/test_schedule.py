"""What a schedule decides, with the servers played by the test."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings, strategies as st

from controller.jobs.board import Board, Elsewhere
from controller.jobs.reasons import BUDGET_EXHAUSTED, DEPENDENCY_FAILED, HALTED
from controller.jobs.schedule import RECHECK, decide
from controller.jobs.tally import Fate
from controller.model.job import Job, State
from controller.model.rollout import GroupBudget, Order
from tests.fakes.clocks import START
from tests.fakes.rollouts import (
    Scenario,
    What,
    check_laws,
    ended,
    job,
    scenarios,
    simulate,
    starts,
)


@given(scenarios())
@settings(max_examples=400, deadline=None)
def test_whatever_is_asked_for_and_happens_the_laws_hold_and_nothing_waits_for_ever(
    scenario: Scenario,
) -> None:
    check_laws(scenario, simulate(scenario))


@given(scenarios(healthy=True, circles=False))
@settings(max_examples=200, deadline=None)
def test_on_a_healthy_fleet_everything_is_done(scenario: Scenario) -> None:
    story = simulate(scenario)
    assert not [moment for moment in story if moment.what is What.SKIP]
    assert len(list(starts(story))) == len(scenario.jobs)


@given(
    st.permutations(["api", "db", "shop", "zebra"]),
    st.lists(st.integers(-2, 2), min_size=4, max_size=4),
)
def test_the_higher_priority_is_first_then_the_name(
    names: list[str], priorities: list[int]
) -> None:
    orders = {n: Order(priority=p) for n, p in zip(names, priorities, strict=True)}
    jobs = tuple(job(name, f"{name}-{n}") for name in names for n in range(2))
    story = simulate(of(*jobs, orders=orders, parallel=1))
    expected = sorted(jobs, key=lambda j: (-orders[j.target or ""].priority, j.target, j.server))
    assert list(starts(story)) == [f"{each.target}@{each.server}" for each in expected]


def of(*jobs: Job, bad: tuple[Job, ...] = (), fate: Fate = Fate.FAILED, **more: object) -> Scenario:
    """A scenario in which each job takes ten seconds, and some go wrong."""
    return Scenario(
        jobs=jobs,
        fates={each.id: fate if each in bad else Fate.GOOD for each in jobs},
        seconds={each.id: 10.0 for each in jobs},
        **more,  # type: ignore[arg-type]
    )


def canary_of_ten() -> tuple[Job, ...]:
    """One server, then four, then five."""
    waves = [1, *[2] * 4, *[3] * 5]
    return tuple(job("shop", f"web-{n}", wave=wave) for n, wave in enumerate(waves))


@pytest.mark.parametrize("fate", [Fate.FAILED, Fate.UNREACHABLE, Fate.UNHEALTHY])
def test_a_canary_that_goes_wrong_in_any_way_is_the_only_one(fate: Fate) -> None:
    jobs = canary_of_ten()
    orders = {"shop": Order(max_failures=0)}
    story = simulate(of(*jobs, bad=jobs[:1], fate=fate, orders=orders))
    assert list(starts(story)) == ["shop@web-0"]
    assert {m.reason for m in story if m.what is What.SKIP} == {HALTED}


def test_a_second_failure_in_a_later_wave_halts_and_lets_that_wave_end() -> None:
    jobs = canary_of_ten()
    story = simulate(of(*jobs, bad=(jobs[1], jobs[2]), orders={"shop": Order(max_failures=1)}))
    assert len(list(starts(story))) == 5
    assert sum(moment.what is What.END for moment in story) == 5
    assert sum(moment.reason == HALTED for moment in story) == 5


def test_a_halt_says_what_went_wrong_apart() -> None:
    jobs = [job("shop", f"web-{n}") for n in range(5)]
    board = Board(jobs, orders={"shop": Order(max_failures=2, failed=1)}, parallel=5)
    for id_ in decide(board, START).start:
        board.begin(id_)
    board.end(ended(jobs[0], Fate.FAILED), START)
    assert decide(board, START).halted == {}
    board.end(ended(jobs[1], Fate.UNREACHABLE), START)
    assert decide(board, START).halted == {
        "shop": "2 failed, 1 unreachable, 0 unhealthy of at most 2"
    }


def test_without_a_limit_failures_stop_nothing() -> None:
    jobs = canary_of_ten()
    story = simulate(of(*jobs, bad=jobs, orders={"shop": Order()}))
    assert len(list(starts(story))) == 10


def test_who_was_cancelled_or_refused_does_not_count_as_failed() -> None:
    jobs = canary_of_ten()
    story = simulate(
        of(*jobs, bad=jobs[:5], fate=Fate.LEFT, orders={"shop": Order(max_failures=0)})
    )
    assert len(list(starts(story))) == 10


def test_a_wave_waits_its_pause_after_the_last_end_of_the_wave_before_and_only_once() -> None:
    jobs = canary_of_ten()
    story = simulate(of(*jobs, orders={"shop": Order(pause=30.0)}, parallel=2))
    begun = [(m.at - START).total_seconds() for m in story if m.what is What.START]
    assert begun == [0, 40, 40, 50, 50, 90, 90, 100, 100, 110]


def test_waves_of_different_targets_do_not_wait_for_each_other() -> None:
    jobs = (job("api", "web-1", wave=1), job("shop", "web-2", wave=7))
    assert (
        len(decide(board_of(of(*jobs, orders={"api": Order(), "shop": Order()})), START).start) == 2
    )


def board_of(scenario: Scenario) -> Board:
    return Board(
        scenario.jobs,
        orders=scenario.orders,
        budgets=scenario.budgets,
        parallel=scenario.parallel,
        widths=scenario.widths,
    )


def test_without_orders_the_numbers_of_waves_mean_nothing() -> None:
    assert len(decide(board_of(of(*canary_of_ten())), START).start) == 10


def test_a_target_starts_when_those_before_it_have_all_succeeded() -> None:
    jobs = (job("db", "db-1"), job("db", "db-2"), job("shop", "web-1"))
    orders = {"shop": Order(after=("db", "not in this run"), priority=9)}
    assert list(starts(simulate(of(*jobs, orders=orders)))) == ["db@db-1", "db@db-2", "shop@web-1"]
    story = simulate(of(*jobs, bad=jobs[:1], orders=orders))
    assert [moment.reason for moment in story if moment.what is What.SKIP] == [DEPENDENCY_FAILED]


def test_what_can_no_longer_start_is_told_at_once_and_not_when_all_is_over() -> None:
    first, slow, after = job("db", "db-1"), job("api", "web-1"), job("shop", "web-2")
    board = board_of(of(first, slow, after, orders={"shop": Order(after=("db",))}))
    for id_ in decide(board, START).start:
        board.begin(id_)
    board.end(ended(first, Fate.FAILED), START)
    assert decide(board, START).skip == {after.id: DEPENDENCY_FAILED}


def test_targets_that_wait_for_each_other_are_skipped_and_hold_nobody_else() -> None:
    jobs = (job("api", "web-1"), job("db", "web-2"), job("shop", "web-3"))
    orders = {"api": Order(after=("db",)), "db": Order(after=("api",))}
    story = simulate(of(*jobs, orders=orders))
    assert list(starts(story)) == ["shop@web-3"]
    assert [moment.reason for moment in story if moment.reason] == [DEPENDENCY_FAILED] * 2


def test_on_one_server_the_earlier_wave_has_its_turn_before_the_higher_priority() -> None:
    early, late = job("api", "web-1"), job("shop", "web-1", wave=2)
    orders = {"api": Order(), "shop": Order(priority=5)}
    board = board_of(of(early, late, job("shop", "web-2", wave=2), orders=orders))
    assert decide(board, START).start == (early.id, "shop-2-web-2")


def test_a_server_that_takes_two_gets_two_of_different_targets() -> None:
    jobs = (job("api", "web-1"), job("shop", "web-1"), job("zebra", "web-1"))
    board = board_of(of(*jobs, widths={"web-1": 2}))
    assert decide(board, START).start == (jobs[0].id, jobs[1].id)


GROUP = GroupBudget(group="web", servers=frozenset({"web-1", "web-2", "web-3"}), limit=1)


def test_a_group_has_no_more_servers_at_work_or_down_than_it_may() -> None:
    jobs = (*(job("shop", f"web-{n}") for n in (1, 2, 3)), job("shop", "db-1"))
    assert decide(board_of(of(*jobs, budgets=(GROUP,))), START).start == (jobs[3].id, jobs[0].id)
    away = replace(GROUP, down=frozenset({"web-2", "db-7"}))
    assert decide(board_of(of(*jobs, budgets=(away,))), START).start == (jobs[3].id, jobs[1].id)


def test_a_server_that_is_down_may_be_worked_on_where_no_other_may() -> None:
    jobs = tuple(job("shop", f"web-{n}") for n in (1, 2, 3))
    away = replace(GROUP, down=frozenset({"web-2"}))
    assert decide(board_of(of(*jobs, budgets=(away,))), START).start == (jobs[1].id,)


def test_a_server_that_failed_stays_down_and_the_rest_is_skipped_when_nothing_else_can_move() -> (
    None
):
    jobs = tuple(job("shop", f"web-{n}") for n in (1, 2, 3))
    behind = job("zebra", "db-1")
    orders = {"zebra": Order(after=("shop",))}
    story = simulate(of(*jobs, behind, bad=jobs[:1], budgets=(GROUP,), orders=orders))
    assert list(starts(story)) == ["shop@web-1"]
    reasons = {moment.job.id: moment.reason for moment in story if moment.what is What.SKIP}
    assert (
        reasons
        == {
            jobs[1].id: BUDGET_EXHAUSTED,
            jobs[2].id: BUDGET_EXHAUSTED,
            behind.id: DEPENDENCY_FAILED,
        }
        or reasons[behind.id] == DEPENDENCY_FAILED
    )


def test_later_waves_do_not_begin_when_a_budget_keeps_the_canary_from_it() -> None:
    jobs = (job("shop", "web-1"), job("shop", "db-1", wave=2))
    full = replace(GROUP, down=frozenset({"web-2"}))
    story = simulate(of(*jobs, budgets=(full,), orders={"shop": Order(max_failures=0)}))
    assert [moment.reason for moment in story] == [BUDGET_EXHAUSTED] * 2


def test_what_other_runs_do_on_servers_of_a_group_counts_and_is_waited_for() -> None:
    mine = job("shop", "web-1")
    board = board_of(of(mine, budgets=(GROUP,)))
    board.elsewhere = Elsewhere(busy={"web-2": 1})
    decision = decide(board, START)
    assert (decision.start, decision.skip) == ((), {})
    assert decision.wake_at == START + timedelta(seconds=RECHECK)
    board.elsewhere = Elsewhere()
    assert decide(board, START).start == (mine.id,)


def test_a_server_that_fell_silent_under_another_run_is_down_and_not_waited_for() -> None:
    mine = job("shop", "web-1")
    board = board_of(of(mine, budgets=(GROUP,)))
    board.elsewhere = Elsewhere(down=frozenset({"web-2"}))
    assert decide(board, START).skip == {mine.id: BUDGET_EXHAUSTED}


def test_jobs_of_other_runs_take_room_on_their_server() -> None:
    board = board_of(of(job("shop", "web-1")))
    board.elsewhere = Elsewhere(busy={"web-1": 1})
    assert decide(board, START).start == ()
    assert decide(board, START).wake_at == START + timedelta(seconds=RECHECK)


def test_what_was_begun_by_an_earlier_process_goes_on_whatever_the_limits_say() -> None:
    begun = job("shop", "web-1", wave=2, state=State.RUNNING)
    failed = replace(job("shop", "web-3", state=State.FAILED), finished_at=START)
    waiting = job("shop", "web-2", wave=3)
    full = replace(GROUP, limit=0)
    orders = {"shop": Order(max_failures=0)}
    board = board_of(of(failed, begun, waiting, budgets=(full,), orders=orders))
    first = decide(board, START)
    assert first.skip == {waiting.id: HALTED}
    board.skip(replace(waiting, state=State.SKIPPED, reason=HALTED), START)
    assert decide(board, START).start == (begun.id,)


def test_a_target_does_not_start_while_one_before_it_is_still_to_be_taken_up() -> None:
    begun = job("db", "web-1", state=State.RUNNING)
    orders = {"shop": Order(after=("db",))}
    board = board_of(of(begun, job("shop", "web-2"), orders=orders))
    assert decide(board, START).start == (begun.id,)


def test_a_decision_changes_nothing() -> None:
    board = board_of(of(*canary_of_ten(), orders={"shop": Order(max_failures=0)}))
    assert decide(board, START) == decide(board, START)


def test_ten_thousand_servers_are_carried_out() -> None:
    jobs = tuple(job("shop", f"web-{n:05}") for n in range(10_000))
    story = simulate(of(*jobs, orders={"shop": Order(max_failures=0)}))
    assert len(story) == 20_000
