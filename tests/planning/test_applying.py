"""What apply takes from a plan, and what it leaves."""

from dataclasses import replace

from controller.model.plan import Action, Blocker, Gate
from controller.model.rollout import Order
from controller.planning.applying import apply_orders, apply_set, held, unreachable
from tests.planning.test_summary import DRIFT, change, plan

ADD = change(Action.ADD, "a")
LOCKED = change(Action.CHANGE, "b", blocked_by=Blocker(gate=Gate.LOCK, message="m"))
OFFLINE = change(Action.CHANGE, "c", blocked_by=Blocker(gate=Gate.OFFLINE, message="m"))
SUSPENDED = change(Action.CHANGE, "f", blocked_by=Blocker(gate=Gate.SUSPENDED, message="m"))
INACTIVE = change(Action.CHANGE, "d", blocked_by=Blocker(gate=Gate.INACTIVE, message="m"))
UNKNOWN = change(Action.NONE, "e", unknown=True)
ALL = plan(ADD, LOCKED, OFFLINE, INACTIVE, SUSPENDED, UNKNOWN, DRIFT)


def test_each_change_has_one_fate() -> None:
    assert apply_set(ALL) == (ADD,)
    assert held(ALL) == (LOCKED,)
    assert unreachable(ALL) == (OFFLINE, UNKNOWN)


def test_a_saved_plan_runs_nothing_it_does_not_list() -> None:
    more = change(Action.ADD, "z")
    assert apply_set(plan(ADD, more), saved=ALL) == (ADD,)


def test_a_saved_plan_keeps_its_waves() -> None:
    saved = plan(replace(ADD, wave=3))
    assert apply_set(plan(ADD), saved=saved) == (replace(ADD, wave=3),)


def test_a_server_that_went_away_since_a_plan_was_saved_counts_where_that_is_counted() -> None:
    saved = plan(replace(OFFLINE, blocked_by=None))
    now = plan(OFFLINE)
    assert apply_set(now, saved=saved) == ()
    counted = replace(now, orders={"t": Order(max_failures=0)})
    assert apply_set(counted, saved=saved) == (OFFLINE,)
    assert apply_set(counted, saved=plan(ADD)) == ()


def test_a_saved_plan_keeps_its_orders_but_for_what_failed_since() -> None:
    saved = replace(ALL, orders={"t": Order(max_failures=2, pause=5.0), "u": Order(priority=1)})
    now = replace(ALL, orders={"t": Order(max_failures=9, failed=1)})
    assert apply_orders(now, saved=saved) == {
        "t": Order(max_failures=2, pause=5.0, failed=1),
        "u": Order(priority=1),
    }
    assert apply_orders(now) == now.orders
