"""Saved plans, uncommitted declarations, and two who want the same server: what was seen is done, or nothing."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.e2e.fleet import Fleet, finished, wait_for
from tests.fakes.repositories import Repository

TWO = """\
tasks:
  a: {{run: echo a{a} >> {log}}}
  b: {{run: echo b{b} >> {log}}}
targets:
  a: {{servers: here, task: a}}
  b: {{servers: here, task: b}}
"""


def declare(fleet: Fleet, a: int = 1, b: int = 1) -> None:
    fleet.declare(TWO.format(a=a, b=b, log=fleet.folder / "log"))


def lines(fleet: Fleet) -> list[str]:
    log = fleet.folder / "log"
    return log.read_text().split() if log.exists() else []


def test_a_saved_plan_does_exactly_what_it_says(fleet: Fleet) -> None:
    declare(fleet)
    plan = fleet.folder / "plan"
    fleet.ctl("plan", "--target", "a", "--out", str(plan)).ended(0)
    assert plan.stat().st_mode & 0o777 == 0o600
    declare(fleet, b=2)  # another pair: the plan is none the worse
    fleet.ctl("apply", str(plan)).ended(0)
    assert lines(fleet) == ["a1"]


def test_a_plan_that_was_saved_in_the_repository_is_applied_as_it_was_told(fleet: Fleet) -> None:
    declare(fleet)
    plan = fleet.config.path / "p.json"
    said = fleet.ctl("plan", "--out", "p.json", at=fleet.config.path).ended(0)
    assert "next: ctl apply p.json" in said.err
    (fleet.config.path / "notes.txt").write_text("mine\n")
    refused = fleet.ctl("apply", str(plan)).ended(4)
    assert refused.err.startswith("error: the declarations are not committed: notes.txt\n")
    (fleet.config.path / "notes.txt").unlink()
    fleet.ctl("apply", "p.json", at=fleet.config.path).ended(0)
    assert lines(fleet)


def test_a_stale_plan_is_refused_and_names_what_differs(fleet: Fleet) -> None:
    declare(fleet)
    plan = fleet.folder / "plan"
    fleet.ctl("plan", "--out", str(plan)).ended(0)
    declare(fleet, a=2)
    said = fleet.ctl("apply", str(plan)).ended(4)
    assert "stale" in said.err
    assert "a on here" in said.err or "a/here" in said.err
    assert lines(fleet) == []


def test_a_plan_is_applied_once_only(fleet: Fleet) -> None:
    declare(fleet)
    plan = fleet.folder / "plan"
    fleet.ctl("plan", "--out", str(plan)).ended(0)
    fleet.ctl("apply", str(plan)).ended(0)
    fleet.ctl("apply", str(plan)).ended(4)
    assert sorted(lines(fleet)) == ["a1", "b1"]


def test_an_expired_plan_is_refused(fleet: Fleet) -> None:
    declare(fleet)
    plan = fleet.folder / "plan"
    fleet.ctl("plan", "--out", str(plan), "--expires", "1s").ended(0)
    end = datetime.now(UTC) + timedelta(seconds=1.1)
    wait_for(lambda: datetime.now(UTC) > end)
    assert "expired" in fleet.ctl("apply", str(plan)).ended(4).err
    assert lines(fleet) == []


@pytest.mark.parametrize("old", ['"a"', '"add"', '"expires_at"', '"here"'])
def test_a_changed_plan_file_is_refused(fleet: Fleet, old: str) -> None:
    declare(fleet)
    plan = fleet.folder / "plan"
    fleet.ctl("plan", "--out", str(plan)).ended(0)
    text = plan.read_text()
    assert old in text
    plan.write_text(text.replace(old, '"b"'))
    said = fleet.ctl("apply", str(plan))
    assert said.code in {1, 4}, said
    said.ended(said.code)
    assert lines(fleet) == []


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff\x00", b"[" * 100_000, b'{"a":' * 50_000])
def test_what_is_no_plan_is_refused(fleet: Fleet, data: bytes) -> None:
    declare(fleet)
    plan = fleet.folder / "plan"
    plan.write_bytes(data)
    said = fleet.ctl("apply", str(plan))
    assert said.code in {1, 4}
    said.ended(said.code)


def test_uncommitted_declarations_are_planned_and_said_so_but_not_applied(fleet: Fleet) -> None:
    declare(fleet)
    fleet.ctl("apply", "-y").ended(0)
    main = fleet.config.path / "pipelines/main.yaml"
    main.write_text(main.read_text().replace("a1", "a9"))
    plan = fleet.ctl("plan", "--detailed-exitcode").ended(2)
    assert "not committed" in plan.all
    assert fleet.ctl("plan", "-o", "json").ended(0).json["dirty"] is True
    fleet.ctl("plan", "--out", str(fleet.folder / "plan")).ended(4)
    assert "main.yaml" in fleet.ctl("apply", "-y").ended(4).err
    assert "a9" not in lines(fleet)
    fleet.ctl("apply", "-y", "--allow-dirty").ended(0)
    assert lines(fleet)[-1] == "a9"


def test_an_answer_other_than_yes_touches_nothing(fleet: Fleet) -> None:
    declare(fleet)
    fleet.ctl("apply", "--no-input").ended(1)
    fleet.ctl("apply", stdin="yes\n").ended(1)  # no terminal: nobody can be asked
    assert lines(fleet) == []


def test_a_plan_of_a_commit_and_between_two_opens_no_server(fleet: Fleet) -> None:
    fleet.declare(
        TWO.format(a=1, b=1, log=fleet.folder / "log").replace("here", "away"),
        inventory__servers_yaml="servers: {away: {address: host.invalid}}\n",
    )
    first = fleet.config.head
    fleet.declare(TWO.format(a=2, b=1, log=fleet.folder / "log").replace("here", "away"))
    plan = fleet.ctl("plan", "--between", first, "HEAD", "--detailed-exitcode").ended(2)
    assert "1 to change" in plan.summary
    assert "~ a on away" in plan.out
    fleet.ctl("plan", "--at", first).ended(0)
    fleet.ctl("plan", "--at", "no-such-revision").ended(1)


def test_a_second_apply_says_who_holds_the_state(fleet: Fleet) -> None:
    go = fleet.folder / "go"
    fleet.declare(
        f"tasks: {{a: {{run: 'while ! test -e {go}; do sleep 0.05; done'}}}}\n"
        "targets: {t: {servers: here, task: a}}\n"
    )
    first = fleet.spawn("apply", "-y")
    wait_for(lambda: [e for e in fleet.events() if e["event"] == "job-starting"])
    said = fleet.ctl("apply", "-y").ended(4)
    assert "@" in said.err
    assert str(first.pid) in said.err
    for _ in range(2):  # plans take no lock and do no harm
        fleet.ctl("plan").ended(0)
    go.touch()
    finished(first).ended(0)
    fleet.ctl("plan", "--detailed-exitcode").ended(0)


def test_two_controllers_with_states_of_their_own_meet_at_the_lock_and_the_marker(
    each: tuple[Fleet, str],
) -> None:
    fleet, server = each
    go, log = fleet.folder / "go", fleet.folder / "log"
    text = (
        "tasks: {{a: {{run: 'echo {n} >> {log}; while ! test -e {go}; do sleep 0.05; done'}}}}\n"
        "targets: {{t: {{servers: {server}, task: a}}}}\n"
    )
    fleet.declare(text.format(n=1, log=log, go=go, server=server))
    other = fleet.folder / "other"
    first = fleet.spawn("apply", "-y")
    wait_for(log.exists)
    said = fleet.ctl("apply", "-y", state=other).ended(4)
    assert "locked" in said.out
    assert log.read_text() == "1\n"
    go.touch()
    finished(first).ended(0)
    fleet.ctl("plan", "--detailed-exitcode", state=other).ended(0)
    assert log.read_text() == "1\n"


def test_a_marker_that_changed_between_plan_and_start_stops_the_job(fleet: Fleet) -> None:
    declare(fleet)
    plan = fleet.folder / "plan"
    fleet.ctl("plan", "--target", "a", "--out", str(plan)).ended(0)
    fleet.ctl("apply", "-y", "--target", "a", state=fleet.folder / "other").ended(0)
    fleet.ctl("apply", str(plan)).ended(4)
    assert lines(fleet) == ["a1"]


def test_a_plan_for_programs_is_whole(fleet: Fleet) -> None:
    declare(fleet)
    plan = fleet.ctl("plan", "-o", "json").ended(0).json
    assert plan["format_version"] == "1.0"
    assert plan["commit"] == fleet.config.head
    assert plan["summary"] == {
        "add": 2, "change": 0, "remove": 0, "run": 0, "servers": 1, "drifted": 0, "blocked": 0, "unknown": 0,
    }  # fmt: skip
    assert {"digest", "created_at", "expires_at", "changes", "diagnostics"} <= plan.keys()
    assert json.dumps(plan)
    assert "+ a on here" in fleet.ctl("plan", "-o", "md").ended(0).out


def test_a_limited_plan_touches_what_was_selected_only(ships: Fleet) -> None:
    ships.declare("tasks: {a: {run: 'true'}}\ntargets: {t: {servers: all, task: a}}\n")
    ships.ctl("apply", "-y", "-l", "fleet:!web-2").ended(0)
    assert ships.marker("t", "web-1").exists()
    assert not ships.marker("t", "web-2").exists()
    plan = ships.ctl("plan", "--detailed-exitcode").ended(2)
    assert "2 to add" in plan.summary
    assert "did you mean web-" in ships.ctl("plan", "-l", "web-9").ended(1).err
    assert "did you mean web-" in ships.ctl("run", "a", "--on", "web-9").ended(1).err
    ships.ctl("plan", "-l", "web-[").ended(64)
    ships.ctl("plan", "--target", "nothing").ended(1)


def test_a_repo_in_a_folder_that_is_gone_is_one_located_error(fleet: Fleet) -> None:
    shop = Repository(fleet.folder / "shop")
    shop.commit({"a": "1"})
    fleet.declare(
        f"repos: {{shop: {{url: {fleet.folder}/nowhere}}}}\ntasks: {{a: {{run: 'true'}}}}\n"
        "targets: {t: {repo: shop, servers: here, task: a}}\n"
    )
    assert "shop" in fleet.ctl("plan").ended(1).err
    assert not Path(fleet.state / "mirrors" / "nowhere").exists()
