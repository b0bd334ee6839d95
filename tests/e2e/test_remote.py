"""`ctl --controller`: the same words, said to a controller that serves elsewhere."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.fleet import Fleet, wait_for
from tests.e2e.serving import Served, serving

pytestmark = pytest.mark.sweep

DECLARED = """\
tasks:
  a: {run: "echo one >> LOG; echo said"}
  slow: {run: "echo begun >> LOG; sleep 60"}
  fails: {run: "exit 3"}
targets:
  t: {servers: here, task: a}
  by-hand: {servers: here, task: a, on_commit: ignore}
  nightly: {servers: here, task: a, schedule: {cron: "0 3 * * *"}}
"""


@pytest.fixture
def log(fleet: Fleet) -> Path:
    path = fleet.folder / "log"
    fleet.declare(DECLARED.replace("LOG", str(path)))
    return path


@pytest.fixture
def served(fleet: Fleet, log: Path) -> Iterator[Served]:
    with serving(fleet) as made:
        wait_for(lambda: made.in_sync() and log.exists(), seconds=20)
        yield made


def test_what_is_declared_and_seen_is_shown(served: Served) -> None:
    said = served.ctl("status").ended(0).all
    assert "in-sync" in said
    assert served.url in said
    assert "nightly  2" in said.partition("Next runs")[2]
    servers = served.ctl("get", "servers").ended(0).out
    assert "reached" in servers
    one = served.ctl("get", "targets", "t", "-o", "json").ended(0).json
    assert one["name"] == "t"
    assert served.ctl("get", "tasks", "-o", "name").out.split() == [
        "task/a",
        "task/fails",
        "task/slow",
    ]
    assert "no target" in served.ctl("get", "targets", "none").ended(1).all
    assert "Nothing holds it back" in served.ctl("why", "t", "here").ended(0).all
    assert "succeeded" in served.ctl("history", "t").ended(0).out
    assert "config-accepted" in served.ctl("logs", "activity").ended(0).out
    assert "reached" in served.ctl("logs", "connectivity", "-o", "jsonl").ended(0).out
    served.ctl("drift", "show").ended(0)


def test_a_run_is_followed_to_its_end_with_its_output(served: Served, log: Path) -> None:
    done = served.ctl("run", "a", "--on", "here", "-o", "json").ended(0).json
    assert done["summary"] == {
        "succeeded": 1,
        "failed": 0,
        "unreachable": 0,
        "skipped": 0,
        "cancelled": 0,
    }
    job = str(served.jobs()[0]["id"])
    assert served.ctl("jobs", "logs", job).ended(0).out.endswith("said\n")
    shown = served.ctl("jobs", "show", job[:5], "-o", "json").ended(0).json
    assert shown["state"] == "succeeded"
    assert log.read_text() == "one\none\n"
    served.ctl("run", "fails", "--on", "here").ended(2)
    served.ctl("run", "none", "--on", "here").ended(1)


def test_a_plan_is_shown_agreed_to_and_carried_out(served: Served, log: Path) -> None:
    plan = served.ctl("plan", "--target", "by-hand", "-o", "json").ended(0).json
    assert plan["summary"]["add"] == 1  # type: ignore[index]
    assert served.ctl("apply", "--target", "by-hand", stdin="no\n").code in {1, 4}
    done = served.ctl("apply", "--target", "by-hand", "-y", "-o", "json").ended(0).json
    assert done["summary"]["succeeded"] == 1  # type: ignore[index]
    served.ctl("plan", "--target", "by-hand", "--detailed-exitcode").ended(0)
    assert log.read_text() == "one\none\n"


def test_a_checkout_is_planned_against_what_the_controller_knows(
    served: Served, fleet: Fleet
) -> None:
    fleet.variables |= {"CTL_CONTROLLER": served.url, "CTL_TOKEN": served.token}
    try:
        assert fleet.ctl("plan", "--target", "t").ended(0).summary.startswith("No changes.")
        changed = DECLARED.replace("echo said", "echo more").replace(
            "LOG", str(fleet.folder / "log")
        )
        (fleet.config.path / "pipelines/main.yaml").write_text(changed)
        plan = fleet.ctl("plan", "--target", "t", "-o", "json").ended(0).json
        assert plan["summary"]["change"] == 1  # type: ignore[index]
        assert plan["dirty"] is True
        assert plan["state"] == served.url or "/.ctl" in str(plan["state"])
    finally:
        del fleet.variables["CTL_CONTROLLER"], fleet.variables["CTL_TOKEN"]


def test_a_job_is_stopped_and_nothing_of_it_is_left(served: Served, log: Path) -> None:
    made = served.ctl("run", "slow", "--on", "here", "--detach", "-o", "json").ended(0).json
    wait_for(lambda: "begun" in log.read_text())
    (job,) = [one for one in served.jobs() if one["task"] == "slow"]
    assert f"{job['id']}  slow on here: running" in served.ctl("status").ended(0).out
    assert made["run"] is not None
    stopped = (
        served.ctl("jobs", "stop", str(job["id"]), "--grace", "1s", "-o", "json").ended(0).json
    )
    assert stopped["state"] == "cancelled"
    again = served.ctl("jobs", "retry", str(job["id"]), "--help")
    assert again.code == 0


def test_people_decide_about_targets(served: Served) -> None:
    served.ctl("suspend", "t", "--reason", "audit").ended(0)
    assert "suspended" in served.ctl("why", "t", "here").all
    said = served.ctl("status").all
    assert "audit" in said
    served.ctl("resume", "t").ended(0)
    assert "Nothing holds it back" in served.ctl("why", "t", "here").all
    lines = served.ctl("logs", "activity", "-n", "50", "-o", "jsonl").ended(0).out.splitlines()
    actors = {json.loads(line)["actor"] for line in lines if "suspend" in line}
    assert actors == {"admin"}


def test_tokens_are_made_there_and_weaker_ones_may_less(served: Served) -> None:
    text = served.ctl("token", "create", "ci", "--role", "viewer").ended(0).out.strip()
    served.ctl("status", token=text).ended(0)
    refused = served.ctl("run", "a", "--on", "here", token=text).ended(4)
    assert "operator" in refused.all or "viewer" in refused.all
    served.ctl("token", "revoke", text[:8]).ended(0)
    assert "CTL_TOKEN" in served.ctl("run", "a", "--on", "here", token=text).ended(4).all
    assert "token-revoked" in served.ctl("token", "audit").ended(0).out


def test_what_is_not_for_there_is_said(served: Served) -> None:
    for words in (("validate",), ("trust", "here")):
        said = served.ctl(*words)
        assert "cannot find ctl.yaml" in said.all, words
        typed = served.ctl(*words, "--controller", served.url).ended(64)
        assert "leave out --controller" in typed.all, words
    served.ctl("pool", "show", "--on", "here").ended(4)


def test_a_controller_that_is_not_there_is_named(fleet: Fleet) -> None:
    fleet.variables |= {"CTL_CONTROLLER": "http://127.0.0.1:9"}
    said = fleet.ctl("status").ended(1).all
    assert "cannot reach the controller http://127.0.0.1:9" in said
    fleet.variables["CTL_CONTROLLER"] = "http://ctl.example.com"
    fleet.variables["CTL_TOKEN"] = "0" * 32
    assert "everybody on the way" in fleet.ctl("status").ended(64).all
    fleet.variables["CTL_CONTROLLER"] = "ftp://ctl.example.com"
    fleet.ctl("status").ended(64)


def test_a_context_names_a_controller(served: Served, fleet: Fleet) -> None:
    config = fleet.home / ".config/ctl/config.yaml"
    config.parent.mkdir(parents=True)
    (fleet.home / "token").write_text(served.token)
    config.write_text(
        f"context: lab\ncontexts: {{lab: {{url: '{served.url}', token_file: ~/token}}}}\n"
    )
    elsewhere = fleet.folder / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    assert served.url in fleet.ctl("status", at=elsewhere).ended(0).all
    fleet.variables["CTL_CONTEXT"] = "none"
    assert "there is no context" in fleet.ctl("status", at=elsewhere).ended(64).all
