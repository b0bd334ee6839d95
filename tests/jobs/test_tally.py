from dataclasses import replace

import pytest

from controller.jobs.job import UNREACHABLE
from controller.jobs.reasons import HALTED, UNHEALTHY
from controller.jobs.tally import Fate, fate_of, halted, why_halted
from controller.model.job import State
from controller.model.rollout import Order
from tests.fakes.rollouts import ended, job

ONE = job("shop", "web-1")


@pytest.mark.parametrize(
    ("state", "reason", "fate"),
    [
        (State.SUCCEEDED, None, Fate.GOOD),
        (State.FAILED, "step one is failed", Fate.FAILED),
        (State.TIMED_OUT, None, Fate.FAILED),
        (State.INTERRUPTED, None, Fate.FAILED),
        (State.LOST, UNREACHABLE, Fate.FAILED),
        (State.FAILED, UNHEALTHY, Fate.UNHEALTHY),
        (State.PENDING, UNREACHABLE, Fate.UNREACHABLE),
        (State.SKIPPED, UNREACHABLE, Fate.UNREACHABLE),
        (State.FAILED, UNREACHABLE, Fate.UNREACHABLE),
        (State.CANCELLED, "stopped", Fate.LEFT),
        (State.SKIPPED, HALTED, Fate.LEFT),
        (State.PENDING, None, None),
        (State.RUNNING, None, None),
    ],
)
def test_each_end_counts_as_what_people_call_it(
    state: State, reason: str | None, fate: Fate | None
) -> None:
    assert fate_of(replace(ONE, state=state, reason=reason)) is fate


def test_the_limit_may_be_reached_but_not_passed() -> None:
    order = Order(max_failures=2)
    assert why_halted(order, {Fate.FAILED: 1, Fate.UNHEALTHY: 1, Fate.LEFT: 9}) is None
    words = "1 failed, 1 unreachable, 1 unhealthy of at most 2"
    assert why_halted(order, {Fate.FAILED: 1, Fate.UNREACHABLE: 1, Fate.UNHEALTHY: 1}) == words


def test_what_had_failed_before_the_run_counts() -> None:
    words = "1 failed, 0 unreachable, 0 unhealthy of at most 0"
    assert why_halted(Order(max_failures=0, failed=1), {}) == words


def test_without_a_limit_nothing_halts() -> None:
    assert why_halted(Order(failed=7), {Fate.FAILED: 99}) is None


def test_each_target_is_measured_by_itself() -> None:
    jobs = [
        ended(job("shop", "web-1"), Fate.FAILED),
        ended(job("shop", "web-2"), Fate.FAILED),
        ended(job("api", "web-1"), Fate.FAILED),
        ended(job("db", "web-1"), Fate.FAILED),
        ended(job(None, "web-1"), Fate.FAILED),
    ]
    orders = {"shop": Order(max_failures=1), "api": Order(max_failures=1), "none": Order()}
    assert halted(orders, jobs) == {"shop": "2 failed, 0 unreachable, 0 unhealthy of at most 1"}
