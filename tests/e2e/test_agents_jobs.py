"""Jobs that people mind, over a real agent: held, attached to, fed, stopped, put away, with their files and the worker pool."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from tests.e2e.agents import AgentHost, Authority, agent_on, declared
from tests.e2e.fleet import Fleet, finished, wait_for

pytestmark = pytest.mark.sweep

ROOT = Path(__file__).parents[2]


@pytest.fixture
def app(fleet: Fleet, authority: Authority) -> Iterator[AgentHost]:
    """A server `app-1` with an agent."""
    with agent_on(fleet, authority, "app-1", "--workers", "2") as host:
        yield host


def declare(fleet: Fleet, app: AgentHost, tasks: str) -> None:
    servers = declared(app) + "  here: {local: {}}\n"
    fleet.declare(tasks, inventory__servers_yaml=servers)


def job(fleet: Fleet, word: str = "@last") -> dict[str, object]:
    return fleet.ctl("jobs", "show", word, "-o", "json").ended(0).json


def state(fleet: Fleet) -> str:
    jobs = fleet.jobs()
    return cast("str", jobs[0]["state"]) if jobs else "none"


TICKS = "tasks:\n  tick: {{run: 'i=0; while [ $i -lt {n} ]; do echo tick $i; i=$((i+1)); sleep 0.1; done'}}\n"


def attached(fleet: Fleet, *words: str) -> subprocess.Popen[bytes]:
    """Attach with pipes on all sides."""
    command = [sys.executable, "-m", "controller", "-C", str(fleet.config.path), "jobs", "attach"]
    return subprocess.Popen(
        [*command, *words],
        env={**fleet.environment, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def test_a_paused_job_stands_still_and_goes_on(fleet: Fleet, app: AgentHost) -> None:
    declare(fleet, app, TICKS.format(n=100))
    running = fleet.spawn("run", "tick", "--on", "app-1")
    wait_for(lambda: fleet.jobs() and "tick 3" in fleet.ctl("jobs", "logs", "@last").out)
    said = fleet.ctl("jobs", "pause", "@last").ended(0)
    assert "paused" in said.out
    assert "ctl jobs resume" in said.err
    assert state(fleet) == "paused"
    before = fleet.ctl("jobs", "logs", "@last").out
    time.sleep(1)
    assert fleet.ctl("jobs", "logs", "@last").out == before
    assert "running" in fleet.ctl("jobs", "resume", "@last").ended(0).out
    assert finished(running).ended(0).code == 0
    told = job(fleet)
    assert told["state"] == "succeeded"
    assert cast("float", told["paused_seconds"]) >= 1
    out = fleet.ctl("jobs", "logs", "@last").out
    assert [row for row in out.splitlines() if "tick" in row] == [f"tick {n}" for n in range(100)]


def test_a_pause_ends_by_itself_and_one_without_a_driver_is_written_down(
    fleet: Fleet, app: AgentHost
) -> None:
    declare(fleet, app, TICKS.format(n=30))
    fleet.run("run", "tick", "--on", "app-1", "--detach").ended(0)
    said = fleet.ctl("jobs", "pause", "@last", "--for", "2s").ended(0)
    assert "it goes on by itself in 2 s" in said.err
    assert state(fleet) == "paused"
    fleet.run("jobs", "attach", "@last").ended(0)
    assert job(fleet)["state"] == "succeeded"


def test_a_paused_job_is_stopped(fleet: Fleet, app: AgentHost) -> None:
    declare(fleet, app, TICKS.format(n=300))
    running = fleet.spawn("run", "tick", "--on", "app-1")
    wait_for(lambda: state(fleet) == "running")
    wait_for(lambda: "tick" in fleet.ctl("jobs", "logs", "@last").out)
    fleet.ctl("jobs", "pause", "@last").ended(0)
    fleet.ctl("jobs", "stop", "@last", "--grace", "1s").ended(0)
    finished(running)
    assert state(fleet) == "cancelled"


def test_a_server_without_an_agent_has_no_workspace_and_says_how_to_get_one(
    fleet: Fleet, app: AgentHost
) -> None:
    declare(fleet, app, "tasks: {a: {run: 'true'}}\n")
    fleet.run("run", "a", "--on", "here").ended(0)
    said = fleet.ctl("jobs", "workspace", "ls", "@last").ended(4)
    assert "ctl agent install --on" in said.err


def test_what_is_typed_reaches_a_job_that_somebody_else_drives(
    fleet: Fleet, app: AgentHost
) -> None:
    declare(fleet, app, "tasks: {}\n")
    text = "echo name?; read name; echo hello $name; cat; echo over"
    running = fleet.spawn("run", "--on", "app-1", "-i", "--", text)
    wait_for(lambda: fleet.jobs() and "name?" in fleet.ctl("jobs", "logs", "@last").out)
    here = attached(fleet, "@last")
    out, err = here.communicate(b"world\nand more\n", timeout=30)
    assert here.returncode == 0, err
    lines = out.decode().splitlines()
    assert lines[1:] == ["name?", "hello world", "and more", "over"], err
    assert b"is succeeded" in err
    finished(running).ended(0)


def test_a_job_without_a_driver_is_fed_byte_for_byte(fleet: Fleet, app: AgentHost) -> None:
    declare(fleet, app, "tasks: {}\n")
    fleet.run("run", "--on", "app-1", "-i", "--detach", "--", "sha256sum; echo done").ended(0)
    data = os.urandom(1 << 20)
    here = attached(fleet, "@last", "--raw")
    out, err = here.communicate(data, timeout=30)
    assert here.returncode == 0, err
    assert out.decode().split() == [hashlib.sha256(data).hexdigest(), "-", "done"]


def test_leaving_an_attached_job_leaves_it_running(fleet: Fleet, app: AgentHost) -> None:
    declare(fleet, app, TICKS.format(n=150))
    running = fleet.spawn("run", "tick", "--on", "app-1")
    wait_for(lambda: fleet.jobs() and "tick 2" in fleet.ctl("jobs", "logs", "@last").out)
    here = attached(fleet, "@last")
    assert here.stdout is not None
    assert here.stdout.readline().startswith(b"== ")
    assert here.stderr is not None
    said = here.stderr.readline()
    assert b"input is not taken: it was not begun with --interactive" in said
    here.send_signal(signal.SIGINT)
    _, err = here.communicate(timeout=10)
    assert here.returncode == 130
    assert b"detached; it goes on: ctl jobs attach " in err
    assert b"input is not taken" not in err
    finished(running).ended(0)


def test_attach_ends_as_the_job_does(fleet: Fleet, app: AgentHost) -> None:
    declare(fleet, app, "tasks: {}\n")
    fleet.run("run", "--on", "app-1", "--detach", "--", "sleep 1; echo bad; exit 7").ended(0)
    said = fleet.run("jobs", "attach", "@last").ended(2)
    assert "bad" in said.out
    assert "is failed" in said.err
    again = fleet.run("jobs", "attach", "@last").ended(2)
    assert again.out == said.out


def test_jobs_wait_for_a_worker_and_the_pool_grows(fleet: Fleet, app: AgentHost) -> None:
    servers = declared(app).replace("{address", "{concurrency: 2, address")
    fleet.declare(
        "tasks: {a: {run: sleep 300}}\ntargets: {one: {servers: app-1, task: a}, two: {servers: app-1, task: a}}\n",
        inventory__servers_yaml=servers + "  here: {local: {}}\n",
    )
    (shown,) = json.loads(fleet.ctl("pool", "show", "--on", "app-1", "-o", "json").ended(0).out)
    assert (shown["workers"], shown["running"], shown["waiting"]) == (2, 0, 0)
    fleet.ctl("pool", "set", "1", "--on", "app-1").ended(0)
    running = fleet.spawn("apply", "-y")
    wait_for(lambda: "WaitingForWorker" in [one["reason"] for one in fleet.jobs()], seconds=30)
    table = fleet.ctl("pool", "show", "--on", "all").ended(0).out.splitlines()
    assert table[0].split() == ["SERVER", "WORKERS", "RUNNING", "WAITING", "REASON"]
    assert table[1].split() == ["app-1", "1", "1", "1", "-"]
    assert "without an agent" in table[2]
    fleet.ctl("pool", "set", "2", "--on", "app-1").ended(0)
    wait_for(lambda: all(runs(one) for one in fleet.jobs()), seconds=30)
    fleet.ctl("jobs", "stop", *(str(one["id"]) for one in fleet.jobs()), "--grace", "1s").ended(0)
    finished(running)
    fleet.ctl("pool", "show", "--on", "here").ended(4)


def runs(one: dict[str, object]) -> bool:
    return [step["state"] for step in cast("list[dict[str, str]]", one["steps"])] == ["running"]


def test_files_go_to_and_from_the_workspace(fleet: Fleet, app: AgentHost) -> None:
    declare(fleet, app, "tasks: {}\n")
    text = 'cd "$(dirname "$CTL_ARTIFACTS")/workspace"; mkdir -p deep; head -c 3000000 /dev/urandom > deep/big; while ! test -e go; do sleep 0.05; done; cat go'
    fleet.run("run", "--on", "app-1", "--detach", "--", text).ended(0)
    wait_for(lambda: "3000000" in fleet.ctl("jobs", "workspace", "ls", "@last").out)
    out = fleet.folder / "out"
    said = fleet.ctl("jobs", "workspace", "get", "@last", "deep/big", "--outdir", str(out)).ended(0)
    big = (out / "deep/big").read_bytes()
    assert hashlib.sha256(big).hexdigest() in said.out
    (out / "deep/big").unlink()
    (out / "deep/.big.part").write_bytes(big[:1_000_000])
    again = fleet.ctl("jobs", "workspace", "get", "@last", "--outdir", str(out), "-o", "json")
    (moved,) = [one for one in json.loads(again.ended(0).out) if one["name"] == "deep/big"]
    assert moved["resumed_at"] == 1_000_000
    assert (out / "deep/big").read_bytes() == big
    go = fleet.folder / "go"
    go.write_text("went\n")
    fleet.ctl("jobs", "workspace", "put", "@last", str(go)).ended(0)
    assert "went" in fleet.run("jobs", "attach", "@last").ended(0).out


def test_several_jobs_are_stopped_at_once(fleet: Fleet, app: AgentHost) -> None:
    declare(fleet, app, "tasks: {a: {run: sleep 300}}\n")
    running = fleet.spawn("run", "a", "--on", "all")
    wait_for(lambda: [one["state"] for one in fleet.jobs()] == ["running"] * 2)
    wait_for(lambda: all(runs(one) for one in fleet.jobs()))
    ids = [str(one["id"]) for one in fleet.jobs()]
    fleet.ctl("jobs", "stop", *ids, "--grace", "1s").ended(0)
    finished(running)
    assert [one["state"] for one in fleet.jobs()] == ["cancelled"] * 2


def test_an_archived_job_is_still_shown(fleet: Fleet, app: AgentHost) -> None:
    declare(fleet, app, "tasks: {a: {run: 'echo said; echo kept > $CTL_ARTIFACTS/kept'}}\n")
    fleet.ctl("run", "a", "--on", "app-1").ended(0)
    id_ = str(fleet.jobs()[0]["id"])
    fleet.ctl("jobs", "archive", id_).ended(0)
    fleet.ctl("jobs", "archive", id_).ended(0)
    assert fleet.jobs() == []
    assert id_ in fleet.ctl("jobs", "list", "--archived").ended(0).out
    assert not (fleet.state / "output" / id_).exists()
    assert "said" in fleet.ctl("jobs", "logs", id_).ended(0).out
    assert "archive/" in fleet.ctl("jobs", "show", id_).ended(0).out
    out = fleet.folder / "out"
    fleet.ctl("jobs", "artifacts", id_, "--outdir", str(out)).ended(0)
    assert (out / "artifacts/kept").read_text() == "kept\n"
