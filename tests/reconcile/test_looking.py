"""What is seen of servers and repos: one that lies or is late harms itself only, and looking spoils no knowledge."""

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.fleet import Fleet, launched
from tests.fakes.repositories import Repository

TWO = """\
tasks: {a: {run: 'true'}}
targets: {t: {servers: here, task: a}, u: {servers: here, task: a}}
"""


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with launched(tmp_path) as made:
        yield made


def test_a_marker_of_a_newer_controller_blocks_and_is_never_written_over(fleet: Fleet) -> None:
    fleet.declare(TWO)
    fleet.ctl("apply", "-y").ended(0)
    newer = json.dumps(json.loads(fleet.marker("t").read_text()) | {"format": 99})
    fleet.marker("t").write_text(newer)
    fleet.declare(TWO.replace("'true'", "'true again'"))
    said = fleet.ctl("plan", "--detailed-exitcode").ended(4)
    assert "version" in said.out
    assert "newer controller" in said.out
    fleet.ctl("apply", "-y").ended(3)
    fleet.ctl("run", "--target", "t")
    fleet.ctl("jobs", "retry", "@last")
    assert fleet.marker("t").read_text() == newer


@pytest.mark.parametrize("lie", ["nonsense", '{"run": 7}', '"\\u0000"'])
def test_a_lock_that_nobody_can_read_fails_no_plan(fleet: Fleet, lie: str) -> None:
    fleet.declare(TWO)
    fleet.ctl("apply", "-y").ended(0)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    born = Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19]
    lock = fleet.base() / fleet.project / "locks" / "t"
    (lock / "h.000000000000999").write_text(f"{boot}\n1 {born}\nrunx\n{lie}\n.\n")
    fleet.ctl("plan").ended(0)
    assert "who holds the lock" in fleet.ctl("status").ended(0).all


def test_a_marker_with_control_characters_is_no_marker(fleet: Fleet) -> None:
    fleet.declare(TWO.replace("{run", "{check: 'true', run"))
    fleet.ctl("apply", "-y").ended(0)
    told = json.loads(fleet.marker("t").read_text())
    fleet.marker("t").write_text(json.dumps(told | {"branch": "a\x00b"}))
    assert "1 to add" in fleet.ctl("plan").ended(0).summary


def test_checking_a_server_spoils_nothing_that_is_known_of_it(fleet: Fleet) -> None:
    fleet.declare(TWO)
    fleet.ctl("apply", "-y").ended(0)
    assert fleet.ctl("plan", "--no-refresh").ended(0).summary.startswith("No changes.")
    fleet.ctl("check", "server", "here").ended(0)
    assert fleet.ctl("plan", "--no-refresh").ended(0).summary.startswith("No changes.")


def test_a_known_repo_that_does_not_answer_holds_its_own_targets_only(fleet: Fleet) -> None:
    shop = Repository(fleet.folder / "shop")
    shop.commit({"a": "1"})
    fleet.declare(
        f"repos: {{shop: {{url: {shop.path}}}}}\n" + TWO.replace("t: {", "t: {repo: shop, ")
    )
    fleet.ctl("apply", "-y").ended(0)
    shop.path.rename(shop.path.with_name("gone"))
    said = fleet.ctl("plan", "--detailed-exitcode").ended(4)
    assert "! t" in said.out
    assert "! u" not in said.out


def test_what_is_forgotten_is_told_before_and_after(fleet: Fleet) -> None:
    fleet.declare(TWO)
    fleet.ctl("apply", "-y").ended(0)
    fleet.declare(TWO.replace(", u: {servers: here, task: a}", ""))
    fleet.ctl("apply", "-y").ended(0)
    assert not fleet.marker("u").exists()
    log = next((fleet.state / "logs").glob("activity-*.log")).read_text().splitlines()
    told = [json.loads(line)["event"] for line in log]
    assert told[-2:] == ["pair-forgetting", "pair-forgotten"]


def test_nothing_is_forgotten_when_a_secret_of_the_run_cannot_be_read(fleet: Fleet) -> None:
    fleet.declare(TWO)
    fleet.ctl("apply", "-y").ended(0)
    fleet.declare(
        "secrets: {pw: {env: NOT_SET}}\n"
        "tasks: {a: {secrets: {PW: pw}, run: 'true'}}\n"
        "targets: {t: {servers: here, task: a}}\n"
    )
    fleet.ctl("apply", "-y").ended(1)
    assert fleet.marker("u").exists()


def test_a_file_result_is_handed_over_whatever_it_is_called(fleet: Fleet) -> None:
    report = fleet.folder / "the report (1).txt"
    fleet.declare(
        f"tasks: {{a: {{run: 'echo hello > \"{report}\"', "
        f'result: {{type: file, file: "{report}"}}}}}}\n'
    )
    out = fleet.folder / "out"
    said = fleet.ctl("run", "a", "--on", "here", "--outdir", str(out), "-o", "json").ended(0)
    assert (out / report.name).read_bytes() == b"hello\n"
    assert hashlib.sha256(b"hello\n").hexdigest() in said.out


def test_a_detached_run_is_left_alone_and_collected_later(fleet: Fleet) -> None:
    done = fleet.folder / "done"
    fleet.declare(
        f"tasks: {{a: {{run: 'sleep 3; touch {done}'}}, b: {{steps: {{x: {{run: 'true'}}, y: {{run: 'true'}}}}}}}}\n"
    )
    fleet.ctl("run", "b", "--on", "here", "--detach").ended(64)
    fleet.ctl("run", "a", "--on", "here", "--detach").ended(0)
    assert not done.exists()
    assert fleet.jobs()[0]["state"] == "running"
    fleet.ctl("apply", "-y").ended(0)
    assert done.exists()
    assert fleet.jobs()[0]["state"] == "succeeded"


def test_a_target_by_hand_runs_in_sync_and_after_a_failure_but_through_every_other_gate(
    fleet: Fleet,
) -> None:
    log = fleet.folder / "log"
    fleet.declare(
        f"tasks: {{a: {{run: 'echo x >> {log}; test -e {log}.ok'}}}}\n"
        "targets: {t: {servers: here, task: a}}\n"
    )
    fleet.ctl("apply", "-y").ended(2)
    fleet.ctl("apply", "-y").ended(4)
    fleet.ctl("run", "--target", "t").ended(2)
    Path(f"{log}.ok").touch()
    fleet.ctl("run", "--target", "t").ended(0)
    fleet.ctl("run", "--target", "t").ended(0)
    assert log.read_text() == "x\n" * 4
    fleet.declare(inventory__servers_yaml="servers: {here: {local: {}, active: false}}\n")
    fleet.ctl("run", "--target", "t")
    assert log.read_text() == "x\n" * 4


def test_waiting_for_earlier_work_counts_as_waiting(fleet: Fleet) -> None:
    fleet.declare("tasks: {a: {run: sleep 60}}\ntargets: {t: {servers: here, task: a}}\n")
    fleet.ctl("apply", "-y", "--timeout", "1s").ended(6)
    began = time.monotonic()
    fleet.declare("tasks: {a: {run: sleep 61}}\ntargets: {t: {servers: here, task: a}}\n")
    fleet.ctl("apply", "-y", "--timeout", "2s").ended(6)
    assert time.monotonic() - began < 30
    fleet.ctl("jobs", "stop", "@last").ended(0)


def test_a_retry_asks_whether_the_server_is_still_to_be_touched(fleet: Fleet) -> None:
    fleet.declare("tasks: {a: {run: exit 1}}\ntargets: {t: {servers: here, task: a}}\n")
    fleet.ctl("apply", "-y").ended(2)
    fleet.declare(inventory__servers_yaml="servers: {here: {local: {}, active: false}}\n")
    assert "inactive" in fleet.ctl("jobs", "retry", "@last").ended(4).all
    assert len(fleet.jobs()) == 1
