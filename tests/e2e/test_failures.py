"""What fails stays failed until something changes or somebody says so; what cannot be reached is said to be so."""

import json
import shutil

import pytest

from tests.e2e.fleet import Fleet
from tests.fakes.sshd import Sshd

FAILS = """\
tasks:
  work:
    steps:
      one: {{run: echo one >> {log}}}
      two: {{run: "{two}"}}
      three: {{run: echo three >> {log}}}
targets:
  job: {{servers: {server}, task: work}}
"""


def declare(fleet: Fleet, server: str, two: str) -> None:
    fleet.declare(FAILS.format(log=fleet.folder / "log", server=server, two=two))


def lines(fleet: Fleet) -> list[str]:
    log = fleet.folder / "log"
    return log.read_text().split() if log.exists() else []


def test_a_failed_step_leaves_its_dependents_skipped_and_holds_the_same_digest(
    each: tuple[Fleet, str],
) -> None:
    fleet, server = each
    declare(fleet, server, "exit 7")
    report = fleet.ctl("apply", "-y", "-o", "json").ended(2).json
    assert report["summary"] == {
        "succeeded": 0, "failed": 1, "unreachable": 0, "skipped": 0, "cancelled": 0,
    }  # fmt: skip
    (job,) = fleet.jobs()
    assert (job["state"], job["exit_code"]) == ("failed", 7)
    states = {step["name"]: step["state"] for step in job["steps"]}  # type: ignore[attr-defined]
    assert states == {"one": "succeeded", "two": "failed", "three": "skipped"}
    assert lines(fleet) == ["one"]
    plan = fleet.ctl("plan", "--detailed-exitcode").ended(4)
    assert "1 blocked" in plan.summary
    assert "! job" in plan.out
    fleet.ctl("apply", "-y").ended(4)
    assert lines(fleet) == ["one"]
    assert "last" in fleet.ctl("why", "job", server).all


def test_another_clone_learns_of_the_failure_from_the_server(each: tuple[Fleet, str]) -> None:
    fleet, server = each
    declare(fleet, server, "exit 7")
    fleet.ctl("apply", "-y").ended(2)
    shutil.rmtree(fleet.state)
    fleet.ctl("plan", "--detailed-exitcode").ended(4)
    fleet.ctl("apply", "-y").ended(4)
    assert lines(fleet) == ["one"]


def test_a_changed_input_runs_again_and_so_does_going_back(fleet: Fleet) -> None:
    declare(fleet, "here", "true")
    fleet.ctl("apply", "-y").ended(0)
    declare(fleet, "here", "exit 7")
    fleet.ctl("apply", "-y").ended(2)
    declare(fleet, "here", "true")
    fleet.ctl("plan", "--detailed-exitcode").ended(2)
    fleet.ctl("apply", "-y").ended(0)
    assert lines(fleet) == ["one", "three", "one", "one", "three"]
    fleet.ctl("plan", "--detailed-exitcode").ended(0)


def test_a_retry_runs_the_same_work_again_and_clears_the_gate(each: tuple[Fleet, str]) -> None:
    fleet, server = each
    declare(fleet, server, f"test -e {fleet.folder}/ready")
    fleet.ctl("apply", "-y").ended(2)
    (fleet.folder / "ready").touch()
    fleet.ctl("jobs", "retry", "@last", "--failed-only").ended(0)
    assert lines(fleet) == ["one", "three"]
    fleet.ctl("plan", "--detailed-exitcode").ended(0)


def test_a_time_out_is_told_apart_from_a_failure_and_leaves_no_process(
    each: tuple[Fleet, str],
) -> None:
    fleet, server = each
    fleet.declare(
        "tasks: {slow: {steps: {nap: {run: sleep 41.7, timeout: 1s}}}}\n"
        f"targets: {{job: {{servers: {server}, task: slow}}}}\n"
    )
    fleet.ctl("apply", "-y").ended(2)
    (job,) = fleet.jobs()
    assert job["state"] == "timed_out"


def test_an_unreachable_server_never_fails_a_plan_and_is_three_for_an_apply(
    ships: Fleet, sshds: dict[str, Sshd]
) -> None:
    gone = sshds["web-2"].loopback
    text = ships.inventory().replace(f"port: {gone.port}", "port: 1")
    ships.declare(
        "tasks: {a: {run: 'true'}}\ntargets: {t: {servers: fleet, task: a}}\n",
        inventory__servers_yaml=text,
    )
    plan = ships.ctl("plan").ended(0)
    assert "1 unknown" in plan.summary
    assert "? t" in plan.out
    assert "web-2" in plan.out
    ships.ctl("apply", "-y").ended(3)
    assert ships.marker("t", "web-1").exists()
    ships.ctl("plan", "--detailed-exitcode").ended(4)
    said = ships.ctl("check", "server", "web-2").ended(3)
    assert "tcp" in said.all


@pytest.mark.parametrize(
    ("wrong", "cause"),
    [
        ('host_key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"', "host-key"),
        ("user: nobody-of-that-name", "auth"),
        ("address: no-such-host.invalid", "dns"),
    ],
)  # fmt: skip
def test_every_reason_of_not_reaching_a_server_has_its_name(
    ships: Fleet, sshds: dict[str, Sshd], wrong: str, cause: str
) -> None:
    one = sshds["web-1"].loopback
    right = {
        "host-key": f'host_key: "{one.host_key}"', "auth": f"user: {one.user}", "dns": "address: 127.0.0.1",
    }[cause]  # fmt: skip
    ships.declare(inventory__servers_yaml=ships.inventory("web-1").replace(right, wrong))
    said = ships.ctl("check", "server", "web-1").ended(3)
    assert cause in said.all
    log = next((ships.state / "logs").glob("connectivity-*.log")).read_text()
    assert json.loads(log.splitlines()[-1])["cause"] == cause


def test_a_detailed_exit_code_tells_changes_drift_and_blocks_apart(fleet: Fleet) -> None:
    there = fleet.folder / "there"
    there.mkdir()

    def declared(run: str, extra: str = "") -> None:
        fleet.declare(
            f"tasks:\n  a: {{check: 'test -e {there}/a', run: 'touch {there}/a'}}\n"
            f"  b: {{run: '{run}'}}\n"
            f"targets:\n  a: {{servers: here, task: a}}\n  b: {{servers: here, task: b}}\n{extra}"
        )

    declared("true")
    fleet.ctl("plan", "--detailed-exitcode").ended(2)
    fleet.ctl("apply", "-y").ended(0)
    fleet.ctl("plan", "--detailed-exitcode").ended(0)
    (there / "a").unlink()
    fleet.ctl("plan").ended(0)
    fleet.ctl("plan", "--detailed-exitcode").ended(3)
    declared("false")
    fleet.ctl("plan", "--detailed-exitcode").ended(2)  # changes come before drift
    fleet.ctl("apply", "-y").ended(2)
    fleet.ctl("plan", "--detailed-exitcode").ended(3)  # drift comes before blocks
    fleet.ctl("apply", "-y", "--heal").ended(4)
    fleet.ctl("plan", "--detailed-exitcode").ended(4)
    fleet.declare("tasks: {a: {runs: oops}}\n")
    fleet.ctl("plan", "--detailed-exitcode").ended(1)
    fleet.ctl("plan", "--detailled-exitcode").ended(64)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--target", "t", "--as", "root"), "says itself as whom"),
        (("--target", "t", "-l", "pids=5"), "within which limits"),
        (("--target", "t", "--addr", "x:1"), "has its own servers"),
        (("-p", "x=1", "--on", "here", "--", "true"), "a command has no parameters"),
    ],
)
def test_what_would_have_no_effect_on_a_run_is_refused(
    fleet: Fleet, words: tuple[str, ...], said: str
) -> None:
    fleet.declare("tasks: {a: {run: 'true'}}\ntargets: {t: {servers: here, task: a}}\n")
    assert said in fleet.ctl("run", *words).ended(64).err
    assert fleet.jobs() == []
