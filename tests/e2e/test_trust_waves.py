"""Waves on six real servers: who goes first, who waits, when nothing more starts, and how one goes on."""

import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.fleet import Fleet, Seen, finished, wait_for

pytestmark = pytest.mark.sweep

WEB = tuple(f"web-{number}" for number in range(1, 7))
WORK = """\
tasks:
  work:
    steps:
      one:
        run: |
          echo "$CTL_SERVER $CTL_TARGET begin $(date +%s%N)" >> {there}/log
          sleep {nap}
          echo "$CTL_SERVER $CTL_TARGET end $(date +%s%N)" >> {there}/log
          test ! -e {there}/bad-$CTL_SERVER  # {n}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The time in which a server was worked on, in seconds."""

    server: str
    target: str
    begin: float
    end: float


def declare(
    fleet: Fleet, targets: str, *, n: int = 1, nap: float = 0.05, inventory: str | None = None, groups: str = ""
) -> None:  # fmt: skip
    """Declare work that writes down when it begins and ends; targets stand one a line."""
    text = WORK.format(there=fleet.folder, nap=nap, n=n) + "targets:\n"
    text += "".join(f"  {line}\n" for line in targets.splitlines()) + groups
    fleet.declare(text, inventory__servers_yaml=inventory or fleet.inventory())


def rollout(words: str, more: str = "", servers: str = "fleet") -> str:
    return f"t: {{servers: {servers}, task: work, rollout: {{{words}}}{more}}}"


def log(fleet: Fleet) -> list[list[str]]:
    file = fleet.folder / "log"
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


def begun(fleet: Fleet) -> list[str]:
    return [words[0] for words in log(fleet) if words[2] == "begin"]


def spans(fleet: Fleet) -> list[Span]:
    lines = log(fleet)
    found = []
    for at, (server, target, what, begin) in enumerate(lines):
        if what == "begin":
            end = next(w[3] for w in lines[at:] if w[:3] == [server, target, "end"])
            found.append(
                Span(server=server, target=target, begin=int(begin) / 1e9, end=int(end) / 1e9)
            )
    return found


def waves_of(fleet: Fleet) -> list[set[str]]:
    """Group what was worked on by the waves that the plan told."""
    changes = fleet.ctl("plan", "-o", "json").ended(0).json["changes"]
    assert isinstance(changes, list)
    numbers = {one["wave"] for one in changes}
    return [{one["server"] for one in changes if one["wave"] == n} for n in sorted(numbers)]


def in_order(found: Iterable[Span], waves: list[set[str]], pause: float = 0.0) -> None:
    """Demand that no wave began before the one before it had ended, and rested."""
    spans = list(found)
    for one, two in itertools.pairwise(waves):
        ends = max(span.end for span in spans if span.server in one)
        begins = min(span.begin for span in spans if span.server in two)
        assert begins - ends >= pause


def most_at_once(found: list[Span]) -> int:
    return max(sum(o.begin <= s.begin < o.end for o in found) for s in found)


def bad(fleet: Fleet, *servers: str) -> None:
    for one in servers:
        (fleet.folder / f"bad-{one}").touch()


def good(fleet: Fleet, *servers: str) -> None:
    for one in servers:
        (fleet.folder / f"bad-{one}").unlink()


def run_of(said: Seen) -> str:
    run = json.loads(said.out)["run"]
    assert isinstance(run, str)
    return run


def away(fleet: Fleet, *servers: str) -> str:
    """An inventory in which some servers answer no more."""
    text = fleet.inventory()
    for one in servers:
        text = text.replace(f"port: {fleet.servers[one].loopback.port}", "port: 1")
    return text


@pytest.mark.parametrize(
    ("words", "sizes", "pause"),
    [
        ("canary: 1, batch: 2", [1, 2, 2, 1], 0.0),
        ("canary: 1, batch: [1, 50%]", [1, 1, 3, 1], 0.0),
        ("batch: 50%, pause: 1s", [3, 3], 1.0),
    ],
)
def test_each_wave_begins_when_the_one_before_has_ended_and_rested(
    rack: Fleet, words: str, sizes: list[int], pause: float
) -> None:
    declare(rack, rollout(words))
    waves = waves_of(rack)
    assert [len(one) for one in waves] == sizes
    assert waves[0] == set(WEB[: sizes[0]])
    rack.ctl("apply", "-y").ended(0)
    assert sorted(begun(rack)) == list(WEB)
    in_order(spans(rack), waves, pause)
    rack.ctl("plan", "--detailed-exitcode").ended(0)


def test_a_rollout_that_fails_too_often_stops_and_goes_on_when_told(rack: Fleet) -> None:
    declare(rack, rollout("canary: 1, batch: 2, max_failures: 1"))
    bad(rack, "web-2", "web-3")
    said = rack.ctl("apply", "-y", "-o", "json").ended(5)
    run = run_of(said)
    assert said.json["summary"]["failed"] == 2  # type: ignore[index]
    assert said.json["summary"]["skipped"] == 3  # type: ignore[index]
    assert sorted(begun(rack)) == ["web-1", "web-2", "web-3"]
    states = {job["server"]: job["state"] for job in rack.jobs()}
    assert states == {
        "web-1": "succeeded", "web-2": "failed", "web-3": "failed",
        "web-4": "skipped", "web-5": "skipped", "web-6": "skipped",
    }  # fmt: skip
    # the rest is held, and the plan says by what and how it goes on
    plan = rack.ctl("plan", "--detailed-exitcode").ended(4)
    assert "5 blocked" in plan.summary
    assert f"halted in run {run}" in plan.out
    assert f"ctl apply --resume {run}" in plan.out
    why = rack.ctl("why", "t", "web-5").all
    assert f"ctl apply --resume {run}" in why
    rack.ctl("apply", "-y").ended(4)
    rack.ctl("apply", "-y").ended(4)
    assert len(begun(rack)) == 3
    # only what failed, and one of it fails again
    good(rack, "web-3")
    again = rack.ctl("apply", "-y", "--resume", run, "--failed-only", "-o", "json")
    assert again.code in {2, 5}
    assert sorted(begun(rack)[3:]) == ["web-2", "web-3"]
    good(rack, "web-2")
    # the run that went on goes on with all that the first one left
    rack.ctl("apply", "-y", "--resume", run_of(again)).ended(0)
    assert begun(rack)[5] == "web-2"
    assert sorted(begun(rack)[5:]) == ["web-2", "web-4", "web-5", "web-6"]
    rack.ctl("plan", "--detailed-exitcode").ended(0)
    rack.ctl("logs", "verify").ended(0)


def test_going_on_with_all_that_is_left_runs_the_failed_and_the_rest_once(rack: Fleet) -> None:
    declare(rack, rollout("batch: 2"))
    bad(rack, "web-1")
    run = run_of(rack.ctl("apply", "-y", "-o", "json").ended(5))
    assert sorted(begun(rack)) == ["web-1", "web-2"]
    good(rack, "web-1")
    rack.ctl("apply", "-y", "--resume", run).ended(0)
    assert sorted(begun(rack)[2:]) == ["web-1", "web-3", "web-4", "web-5", "web-6"]
    rack.ctl("plan", "--detailed-exitcode").ended(0)
    rack.ctl("apply", "-y", "--resume", run).ended(4)
    assert len(begun(rack)) == 7


def test_going_on_is_refused_once_an_input_differs_and_a_changed_input_frees_the_rollout(
    rack: Fleet,
) -> None:
    declare(rack, rollout("batch: 2"))
    bad(rack, "web-1")
    run = run_of(rack.ctl("apply", "-y", "-o", "json").ended(5))
    good(rack, "web-1")
    declare(rack, rollout("batch: 2"), n=2)
    said = rack.ctl("apply", "-y", "--resume", run).ended(4)
    assert "t on web-" in said.err
    assert len(begun(rack)) == 2
    rack.ctl("apply", "-y", "--resume", "nosuchrun").ended(1)
    rack.ctl("plan", "--detailed-exitcode").ended(2)
    rack.ctl("apply", "-y").ended(0)
    assert len(begun(rack)) == 8
    rack.ctl("plan", "--detailed-exitcode").ended(0)


@pytest.mark.sweep  # a server is given ten seconds to get well
def test_a_server_that_works_but_is_not_well_halts_and_is_counted_apart(rack: Fleet) -> None:
    declare(rack, rollout(f"canary: 1, health: 'test ! -e {rack.folder}/ill-$CTL_SERVER'"))
    (rack.folder / "ill-web-1").touch()
    said = rack.ctl("apply", "-y").ended(5)
    assert begun(rack) == ["web-1"]
    job = next(one for one in rack.jobs() if one["server"] == "web-1")
    assert job["state"] == "failed"
    assert job["reason"] == "Unhealthy"
    assert "healthy" in said.all
    (rack.folder / "ill-web-1").unlink()


def test_servers_that_are_not_reached_count_to_the_limit(rack: Fleet) -> None:
    declare(rack, "t: {servers: fleet, task: work}")
    rack.ctl("apply", "-y").ended(0)
    (rack.folder / "log").unlink()
    gone = away(rack, "web-1", "web-2")
    declare(rack, rollout("batch: 2, max_failures: 1"), n=2, inventory=gone)
    said = rack.ctl("apply", "-y", "-o", "json").ended(5)
    assert said.json["summary"]["unreachable"] == 2  # type: ignore[index]
    assert said.json["summary"]["failed"] == 0  # type: ignore[index]
    assert begun(rack) == []
    declare(rack, rollout("batch: 2, max_failures: 2"), n=2, inventory=gone)
    rack.ctl("apply", "-y").ended(3)
    assert sorted(begun(rack)) == list(WEB[2:])


@pytest.mark.parametrize(
    ("how", "state"), [("queue", "pending"), ("skip", "skipped"), ("fail", "failed")]
)
def test_a_server_that_is_not_reached_waits_is_left_out_or_fails(
    rack: Fleet, how: str, state: str
) -> None:
    target = f"t: {{servers: 'web-1:web-2', task: work, when_offline: {how}}}"
    declare(rack, target)
    rack.ctl("apply", "-y").ended(0)
    (rack.folder / "log").unlink()
    declare(rack, target, n=2, inventory=away(rack, "web-1"))
    said = rack.ctl("apply", "-y", "-o", "json").ended(3)
    assert said.json["summary"]["succeeded"] == 1  # type: ignore[index]
    run = run_of(said)
    found = [one for one in rack.jobs() if (one["server"], one["run"]) == ("web-1", run)]
    if how != "queue":
        assert [(one["state"], one["reason"]) for one in found] == [(state, "Unreachable")]
    declare(rack, target, n=2)
    rack.ctl("apply", "-y").ended(0)
    assert sorted(begun(rack)) == ["web-1", "web-2"]
    rack.ctl("plan", "--detailed-exitcode").ended(0)


def test_the_first_rollout_counts_servers_that_are_not_reached_too(rack: Fleet) -> None:
    gone = away(rack, "web-1", "web-2")
    declare(rack, rollout("batch: 2, max_failures: 1"), inventory=gone)
    plan = rack.ctl("plan").ended(0)
    assert "2 unknown" in plan.summary
    said = rack.ctl("apply", "-y", "-o", "json").ended(5)
    assert said.json["summary"]["unreachable"] == 2  # type: ignore[index]
    assert begun(rack) == []


@pytest.mark.parametrize(("how", "state"), [("skip", "skipped"), ("fail", "failed")])
def test_the_first_run_leaves_out_or_fails_a_server_that_is_not_reached(
    rack: Fleet, how: str, state: str
) -> None:
    target = f"t: {{servers: 'web-1:web-2', task: work, when_offline: {how}}}"
    declare(rack, target, inventory=away(rack, "web-1"))
    rack.ctl("apply", "-y").ended(3)
    ended = [(one["state"], one["reason"]) for one in rack.jobs() if one["server"] == "web-1"]
    assert ended == [(state, "Unreachable")]
    declare(rack, target)
    rack.ctl("apply", "-y").ended(0)
    assert sorted(begun(rack)) == ["web-1", "web-2"]


def test_what_people_approve_never_runs_where_it_was_not_shown(rack: Fleet) -> None:
    words = "t: {servers: 'web-1:web-2', task: work, when_offline: fail, approval: {required: 1}}"
    declare(rack, words, inventory=away(rack, "web-1"))
    rack.ctl("approve", "t", "-y").ended(0)
    rack.ctl("apply", "-y").ended(3)
    assert [one["server"] for one in rack.jobs()] == ["web-2"]


def test_targets_follow_the_ones_they_wait_for_and_the_more_urgent_goes_first(rack: Fleet) -> None:
    declare(
        rack,
        "low: {servers: web-1, task: work}\n"
        "high: {servers: web-1, task: work, priority: 5}\n"
        "a-second: {servers: 'web-1:web-2', task: work, after: [z-first]}\n"
        "z-first: {servers: 'web-2:web-3', task: work}",
    )
    rack.ctl("apply", "-y").ended(0)
    found = spans(rack)
    first = [s for s in found if s.target == "z-first"]
    second = [s for s in found if s.target == "a-second"]
    assert max(s.end for s in first) <= min(s.begin for s in second)
    one = sorted((s for s in found if s.server == "web-1"), key=lambda s: s.begin)
    assert [s.target for s in one if s.target in {"low", "high"}] == ["high", "low"]
    for server in WEB[:3]:
        assert most_at_once([s for s in found if s.server == server]) == 1


def test_what_waits_for_a_target_that_failed_is_skipped_and_says_so(rack: Fleet) -> None:
    declare(
        rack,
        "first: {servers: 'web-1:web-2', task: work}\n"
        "second: {servers: web-3, task: work, after: [first]}\n"
        "other: {servers: web-4, task: work}",
    )
    bad(rack, "web-2")
    rack.ctl("apply", "-y").ended(2)
    assert sorted(begun(rack)) == ["web-1", "web-2", "web-4"]
    job = next(one for one in rack.jobs() if one["target"] == "second")
    assert (job["state"], job["reason"]) == ("skipped", "DependencyFailed")
    plan = rack.ctl("plan", "--detailed-exitcode").ended(4)
    assert "first" in plan.out
    said = rack.ctl("why", "second", "web-3").all
    assert "first comes before" in said
    good(rack, "web-2")
    failed = next(str(one["id"]) for one in rack.jobs() if one["state"] == "failed")
    rack.ctl("jobs", "retry", failed).ended(0)
    rack.ctl("apply", "-y").ended(0)
    rack.ctl("plan", "--detailed-exitcode").ended(0)


def test_no_more_of_a_group_are_worked_on_at_once_than_may_be_missed(rack: Fleet) -> None:
    declare(
        rack, "t: {servers: fleet, task: work}\nu: {servers: fleet, task: work}",
        nap=0.15, groups="groups: {fleet: {max_unavailable: 2}}\n",
    )  # fmt: skip
    rack.ctl("apply", "-y").ended(0)
    found = spans(rack)
    assert len(found) == 12
    assert most_at_once(found) == 2
    # a server that is gone already is one of them
    declare(
        rack, "t: {servers: fleet, task: work}", n=2, nap=0.15,
        groups="groups: {fleet: {max_unavailable: 2}}\n", inventory=away(rack, "web-6"),
    )  # fmt: skip
    (rack.folder / "log").unlink()
    rack.ctl("apply", "-y", "--target", "t").ended(3)
    found = spans(rack)
    assert {one.server for one in found} == set(WEB[:5])
    assert most_at_once(found) == 1


@pytest.mark.parametrize(("limit", "most"), [(1, 1), (3, 3)])
def test_a_server_takes_so_many_jobs_at_once(rack: Fleet, limit: int, most: int) -> None:
    declare(
        rack, "\n".join(f"t{i}: {{servers: web-1, task: work}}" for i in range(4)), nap=0.4,
        inventory=rack.inventory().replace("groups: [fleet]", f"groups: [fleet]\n    concurrency: {limit}"),
    )  # fmt: skip
    rack.ctl("apply", "-y").ended(0)
    assert most_at_once(spans(rack)) == most


def test_no_more_servers_are_worked_on_at_once_than_the_person_allows(rack: Fleet) -> None:
    declare(rack, "t: {servers: fleet, task: work}", nap=0.15)
    rack.ctl("apply", "-y", "--parallel", "2").ended(0)
    assert most_at_once(spans(rack)) == 2


@pytest.mark.sweep
def test_a_controller_that_dies_between_waves_leaves_no_server_twice(rack: Fleet) -> None:
    declare(rack, rollout("canary: 1, batch: 2"), nap=0.3)
    applying = rack.spawn("apply", "-y")
    wait_for(lambda: len(begun(rack)) >= 2)
    applying.kill()
    finished(applying)
    rack.ctl("apply", "-y").ended(0)
    assert sorted(begun(rack)) == list(WEB)
    rack.ctl("plan", "--detailed-exitcode").ended(0)


def test_the_plan_says_in_which_wave_each_server_is(rack: Fleet) -> None:
    declare(rack, rollout("canary: 1, batch: 2"))
    for words in ((), ("--full",)):
        said = rack.ctl("plan", *words).ended(0).out
        assert "Wave 1 of 4" in said
        assert said.index("Wave 1 of 4") < said.index("web-1") < said.index("Wave 2 of 4")


@pytest.mark.sweep
def test_a_wave_of_a_saved_plan_is_the_one_that_was_shown(rack: Fleet) -> None:
    declare(rack, rollout("canary: 1, batch: 2"))
    plan: Path = rack.folder / "plan.json"
    rack.ctl("plan", "--out", str(plan)).ended(0)
    waves = waves_of(rack)
    rack.ctl("apply", str(plan)).ended(0)
    in_order(spans(rack), waves)
