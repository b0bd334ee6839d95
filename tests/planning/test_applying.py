"""What apply takes from a plan, and what it leaves."""

from controller.model.plan import Action, Blocker, Gate
from controller.planning.applying import apply_set, held, unreachable
from tests.planning.test_summary import DRIFT, change, plan

ADD = change(Action.ADD, "a")
LOCKED = change(Action.CHANGE, "b", blocked_by=Blocker(gate=Gate.LOCK, message="m"))
OFFLINE = change(Action.CHANGE, "c", blocked_by=Blocker(gate=Gate.OFFLINE, message="m"))
INACTIVE = change(Action.CHANGE, "d", blocked_by=Blocker(gate=Gate.INACTIVE, message="m"))
UNKNOWN = change(Action.NONE, "e", unknown=True)
ALL = plan(ADD, LOCKED, OFFLINE, INACTIVE, UNKNOWN, DRIFT)


def test_each_change_has_one_fate() -> None:
    assert apply_set(ALL) == (ADD,)
    assert held(ALL) == (LOCKED,)
    assert unreachable(ALL) == (OFFLINE, UNKNOWN)


def test_a_saved_plan_runs_nothing_it_does_not_list() -> None:
    more = change(Action.ADD, "z")
    assert apply_set(plan(ADD, more), saved=ALL) == (ADD,)
