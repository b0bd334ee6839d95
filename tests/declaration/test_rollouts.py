import pytest

from controller.declaration.report import Report
from controller.declaration.rollouts import check_confirms
from controller.declaration.wishes import Wishes
from controller.model.amount import Amount
from controller.model.declaration import Target
from controller.model.diagnostic import Place, Severity
from controller.model.rollout import Rollout
from controller.model.task import Task
from tests.declaration.trees import declared, findings, loaded
from tests.fakes.trees import MemoryTree

BASE = "tasks: {t: {run: x}}\nservers: {s: {}}\n"


def target(rollout: str) -> str:
    return BASE + f"targets: {{x: {{servers: all, task: t, rollout: {rollout}}}}}\n"


def test_a_rollout_is_read_completely() -> None:
    text = "{canary: 2, batch: [1, 25%], max_failures: 10%, pause: 30s, health: curl -f localhost}"
    assert declared(target(text)).targets["x"].rollout == Rollout(
        canary=2,
        batches=(Amount(number=1), Amount(number=25, percent=True)),
        max_failures=Amount(number=10, percent=True),
        pause=30.0,
        health="curl -f localhost",
    )


def test_one_batch_is_a_list_of_one_and_an_empty_rollout_stops_at_the_first_failure() -> None:
    rollout = declared(target("{batch: 5}")).targets["x"].rollout
    assert rollout is not None
    assert rollout.batches == (Amount(number=5),)
    assert declared(target("{}")).targets["x"].rollout == Rollout()
    assert declared(BASE + "targets: {x: {servers: all, task: t}}").targets["x"].rollout is None


@pytest.mark.parametrize(
    ("rollout", "column"),
    [
        ("{batch: 0}", 55),
        ("{batch: 0%}", 55),
        ("{batch: [1, 0%]}", 59),
        ("{batch: []}", 55),
        ("{batch: 101%}", 55),
        ("{batch: half}", 55),
        ("{canary: -1}", 56),
        ("{max_failures: -1}", 62),
        ("{max_failures: 101%}", 62),
        ("{pause: 8d}", 55),
        ("{confirm: 0s}", 57),
        ("{confirm: 2d}", 57),
        ("{health: ''}", 56),
    ],
)
def test_amounts_with_which_nothing_would_start_and_times_out_of_bounds_are_errors(
    rollout: str, column: int
) -> None:
    found = [line for line in findings(loaded(target(rollout))) if "confirm-" not in line]
    assert found == [f"inventory/all.yaml:3:{column} wrong-value"]


@pytest.mark.parametrize("rollout", ["{canary: 0}", "{max_failures: 0}", "{max_failures: 0%}"])
def test_nothing_of_a_canary_or_of_failures_is_an_amount(rollout: str) -> None:
    assert declared(target(rollout)).targets["x"].rollout == Rollout(
        max_failures=Amount(number=0, percent="%" in rollout)
    )


def at(line: int) -> Place:
    return Place(file="a.yaml", line=line)


def confirmed(task: Task, *rollouts: Rollout | None) -> list[tuple[str, Severity, Place, str]]:
    wishes = Wishes(tree=MemoryTree({}), findings=Report())
    targets = {
        f"x{number}": Target(
            name=f"x{number}",
            task=task.name,
            servers="all",
            rollout=rollout,
            places={"rollout.confirm": at(number + 1)},
        )
        for number, rollout in enumerate(rollouts)
    }
    check_confirms(wishes, targets, {task.name: task})
    return [(d.code, d.severity, d.place, d.message) for d in wishes.findings.sorted()]


ASKED = Rollout(confirm=60.0)


def test_what_must_be_confirmed_needs_a_way_back_and_both_places_are_named() -> None:
    task = Task(name="t", places={"": at(9)})
    ((code, severity, place, message),) = confirmed(task, ASKED)
    assert (code, severity, place) == ("confirm-without-revert", Severity.ERROR, at(1))
    assert "a.yaml:9:1" in message


def test_a_way_back_that_nothing_asks_for_is_a_warning() -> None:
    task = Task(name="t", revert="undo", places={"": at(9), "revert": at(10)})
    ((code, severity, place, _),) = confirmed(task, None, Rollout())
    assert (code, severity, place) == ("revert-without-confirm", Severity.WARNING, at(10))
    assert confirmed(task, None, ASKED) == []
    assert confirmed(task) == []


def test_a_task_that_can_be_reverted_can_be_confirmed() -> None:
    text = (
        "servers: {s: {}}\ntasks: {t: {run: x, revert: {run: y}}}\n"
        "targets: {x: {servers: all, task: t, rollout: {confirm: 60s}}}\n"
    )
    rollout = declared(text).targets["x"].rollout
    assert rollout is not None
    assert rollout.confirm == 60.0
    assert loaded(text).diagnostics == ()
    without = text.replace(", rollout: {confirm: 60s}", "")
    assert findings(loaded(without)) == ["inventory/all.yaml:2:21 revert-without-confirm"]
