"""The numbers of a plan and its exit code."""

import pytest

from controller.cli.exitcodes import of_plan
from controller.model.ids import Digest
from controller.model.plan import Action, Blocker, Change, Gate, Plan, Summary
from controller.planning.summary import summarize
from tests.planning.world import NOW


def change(action: Action, server: str = "a", **more: object) -> Change:
    return Change(target="t", server=server, task="x", action=action, **more)  # type: ignore[arg-type]


def plan(*changes: Change, in_sync: int = 0) -> Plan:
    return Plan(
        commit=None,
        digest=Digest("0" * 64),
        created_at=NOW,
        changes=changes,
        summary=summarize(changes),
        in_sync=in_sync,
        servers=1,
    )


BLOCKER = Blocker(gate=Gate.LOCK, message="m")
DRIFT = change(Action.NONE, drift="d")


def test_everything_is_counted_once() -> None:
    found = summarize(
        [
            change(Action.ADD),
            change(Action.CHANGE),
            change(Action.REMOVE, "b"),
            change(Action.FORGET, "b"),
            change(Action.RUN, "c"),
            change(Action.REPAIR, "d", drift="d"),
            DRIFT,
            change(Action.ADD, "e", blocked_by=BLOCKER),
            change(Action.NONE, "f", unknown=True),
        ]
    )
    assert found == Summary(
        add=1, change=1, remove=2, run=1, servers=3, drifted=2, blocked=1, unknown=1
    )


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ((), 0),
        ((change(Action.ADD), DRIFT), 2),
        ((change(Action.FORGET),), 2),
        ((change(Action.RUN),), 2),
        ((change(Action.REPAIR, drift="d"),), 3),
        ((DRIFT, change(Action.ADD, blocked_by=BLOCKER)), 3),
        ((change(Action.ADD, blocked_by=BLOCKER),), 4),
        ((change(Action.NONE, unknown=True),), 4),
        ((change(Action.NONE, notes=("n",)),), 0),
    ],
)
def test_exit_codes(changes: tuple[Change, ...], code: int) -> None:
    assert of_plan(plan(*changes).summary, detailed=True) == code
    assert of_plan(plan(*changes).summary, detailed=False) == 0
