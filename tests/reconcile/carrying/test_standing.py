"""Suspending, resuming and approving a target: what is decided holds until it is lifted, and is told before and after."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.fleet import Fleet, launched, wait_for

PIPELINE = """\
tasks: {a: {run: 'true'}}
targets: {shop: {servers: here, task: a}, blog: {servers: here, task: a}}
"""


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with launched(tmp_path) as made:
        made.declare(PIPELINE)
        yield made


def told(fleet: Fleet, count: int = 2) -> list[object]:
    return [event["event"] for event in fleet.events()[-count:]]


def test_a_suspended_target_does_not_run_until_it_is_resumed(fleet: Fleet) -> None:
    said = fleet.ctl("suspend", "shop", "--reason", "audit", "--until", "2h").ended(0)
    assert "shop is suspended until 2" in said.out
    assert said.out.endswith(": audit\n")
    assert "next: ctl resume shop" in said.err
    assert told(fleet) == ["target-suspending", "target-suspended"]
    fleet.ctl("apply", "-y")
    assert [job["target"] for job in fleet.jobs()] == ["blog"]
    assert "suspended by" in fleet.ctl("why", "shop", "here").ended(0).out
    fleet.ctl("resume", "shop", "--reason", "done").ended(0)
    assert told(fleet) == ["target-resuming", "target-resumed"]
    fleet.ctl("apply", "-y").ended(0)
    assert {job["target"] for job in fleet.jobs()} == {"blog", "shop"}


def test_a_further_suspension_takes_the_place_of_the_first_and_says_so(fleet: Fleet) -> None:
    fleet.ctl("suspend", "shop", "--reason", "one").ended(0)
    said = fleet.ctl("suspend", "shop", "--reason", "two", "-o", "json").ended(0).json
    assert isinstance(said["suspension"], dict)
    assert isinstance(said["replaced"], dict)
    assert (said["suspension"]["reason"], said["replaced"]["reason"]) == ("two", "one")
    assert "replaces the suspension by" in fleet.ctl("suspend", "shop", "--reason", "3").out


def test_resuming_what_nobody_suspended_changes_nothing(fleet: Fleet) -> None:
    assert "was not suspended" in fleet.ctl("resume", "shop").ended(0).out
    assert fleet.events() == []
    fleet.declare(PIPELINE.replace("task: a}, blog", "task: a, suspended: {reason: x}}, blog"))
    said = fleet.ctl("resume", "shop").ended(0).out
    assert "still suspended in its declaration: pipelines/main.yaml:2" in said


def test_a_suspension_of_a_target_that_is_gone_can_still_be_lifted(fleet: Fleet) -> None:
    fleet.ctl("suspend", "shop", "--reason", "audit").ended(0)
    fleet.declare(PIPELINE.replace("shop: {servers: here, task: a}, ", ""))
    assert "goes on" in fleet.ctl("resume", "shop").ended(0).out
    fleet.ctl("resume", "shop").ended(1)


@pytest.mark.parametrize(
    "words",
    [
        ("suspend", "shpo", "--reason", "x"),
        ("resume", "shpo"),
        ("approve", "shpo", "-y"),
        ("rollback", "shpo", "--to", "previous", "--reason", "x"),
        ("rollback", "shpo", "--lift", "--reason", "x"),
        ("history", "shpo"),
    ],
)
def test_an_unknown_target_is_not_found_and_the_right_one_is_suggested(
    fleet: Fleet, words: tuple[str, ...]
) -> None:
    said = fleet.ctl(*words).ended(1)
    assert "there is no target 'shpo'" in said.err
    assert "did you mean shop?" in said.err
    assert fleet.events() == []


@pytest.mark.parametrize(
    "words",
    [
        ("suspend", "shop"),
        ("suspend", "shop", "--reason", " "),
        ("suspend", "shop", "--reason", "x" * 1001),
        ("suspend", "shop", "--reason", "x", "--until", "2020-01-01"),
        ("suspend", "shop", "--reason", "x", "--until", "soon"),
        ("resume", "shop", "--reason", "x" * 1001),
        ("rollback", "shop", "--reason", "x"),
        ("rollback", "shop", "--to", "previous"),
        ("rollback", "shop", "--to", "previous", "--lift", "--reason", "x"),
        ("rollback", "shop", "--lift", "--until", "2h", "--reason", "x"),
    ],
)
def test_what_nobody_can_mean_is_wrong_usage(fleet: Fleet, words: tuple[str, ...]) -> None:
    fleet.ctl(*words).ended(64)
    assert fleet.events() == []


def test_while_somebody_else_holds_the_state_nothing_is_decided(fleet: Fleet) -> None:
    fleet.declare("tasks: {a: {run: sleep 20}}\ntargets: {shop: {servers: here, task: a}}\n")
    fleet.ctl("apply", "-y", "--timeout", "1s").ended(6)
    other = fleet.spawn("apply", "-y")
    try:
        lock = fleet.state / "lock"
        wait_for(lambda: json.loads(lock.read_text() or "{}").get("pid") == other.pid, seconds=30)
        assert "cannot act on this state" in fleet.ctl("suspend", "shop", "--reason", "x").all
    finally:
        other.kill()
        other.wait()
        fleet.ctl("jobs", "stop", "@last")


def test_an_approval_counts_for_what_was_shown_and_for_nothing_else(fleet: Fleet) -> None:
    fleet.declare(PIPELINE.replace("shop: {", "shop: {approval: {required: 1}, "))
    fleet.ctl("apply", "-y", "--target", "shop").ended(4)
    said = fleet.ctl("approve", "shop", "-y", "--reason", "read it").ended(0)
    assert "+ shop" in said.out
    assert "blog" not in said.out
    assert "approved plan" in said.out
    assert "next: ctl apply --target shop" in said.err
    assert told(fleet) == ["plan-approving", "plan-approved"]
    fleet.declare(
        PIPELINE.replace("shop: {", "shop: {approval: {required: 1}, ").replace("'true'", "'true '")
    )
    assert "another plan" in fleet.ctl("apply", "-y", "--target", "shop").ended(4).out
    fleet.ctl("approve", "shop", "-y").ended(0)
    fleet.ctl("apply", "-y", "--target", "shop").ended(0)
    assert "Nothing to approve" in fleet.ctl("approve", "shop", "-y").ended(0).out


def test_without_a_yes_nothing_is_approved(fleet: Fleet) -> None:
    fleet.declare(PIPELINE.replace("shop: {", "shop: {approval: {required: 1}, "))
    said = fleet.ctl("approve", "shop", stdin="yes\n")  # nobody can be asked: it is no terminal
    assert said.code == 1
    assert "-y" in said.err
    assert fleet.events() == []
    fleet.ctl("apply", "-y", "--target", "shop").ended(4)


@pytest.mark.parametrize(
    ("rule", "settings", "said"),
    [
        ("{required: 2}", "", "can only be counted by a controller"),
        ("{required: 1}", "  approvers: [somebody@example.com]\n", "does not count"),
    ],
)
def test_an_approval_that_would_not_count_is_refused(
    fleet: Fleet, rule: str, settings: str, said: str
) -> None:
    fleet.declare(
        PIPELINE.replace("shop: {", f"shop: {{approval: {rule}, "),
        ctl_yaml=f"settings:\n  name: {fleet.project}\n{settings}",
    )
    assert said in fleet.ctl("approve", "shop", "-y").ended(4).err
    assert fleet.events() == []


def test_history_tells_what_ran_who_ran_it_and_how_it_ended(fleet: Fleet) -> None:
    assert "Nothing of shop has run yet." in fleet.ctl("history", "shop").ended(0).out
    fleet.ctl("apply", "-y").ended(0)
    fleet.declare(PIPELINE.replace("'true'", "'false'"))
    fleet.ctl("apply", "-y").ended(2)
    rows = fleet.ctl("history", "shop").ended(0).out.splitlines()
    assert rows[0].split() == [
        *("RUN", "WHEN", "COMMIT", "RESULT", "SERVERS", "TOOK", "WHO", "CAUSE"),
    ]
    assert ["failed" in rows[1], "succeeded" in rows[2], len(rows)] == [True, True, 3]
    found = json.loads(fleet.ctl("history", "shop", "-n", "1", "-o", "json").ended(0).out)
    assert len(found) == 1
    assert found[0]["states"] == {"failed": 1}
    assert found[0]["servers"] == ["here"]
    assert "@" in found[0]["actor"]
    assert found[0]["seconds"] >= 0
    fleet.declare(PIPELINE.replace("shop: {servers: here, task: a}, ", ""))
    assert len(fleet.ctl("history", "shop").ended(0).out.splitlines()) == 3
