"""Two controllers with states of their own reach one server, one by its agent and one by ssh: they meet at its locks and markers."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.agents import AgentHost, Authority, agent_on
from tests.e2e.fleet import Fleet, Seen, finished, wait_for
from tests.fakes import processes
from tests.fakes.repositories import Repository

ROUNDS = 3


@dataclass(slots=True, kw_only=True)
class Two:
    """The same target of the same project, declared by two people."""

    fleet: Fleet
    app: AgentHost
    other: Repository
    """Declares the server by ssh."""

    @property
    def log(self) -> Path:
        return self.fleet.folder / "log"

    @property
    def gate(self) -> Path:
        """What the step waits for."""
        return self.fleet.folder / "gate"

    def want(self, version: str) -> None:
        """Have both want a version of the target."""
        wait = f"until [ -e {self.gate} ]; do sleep 0.05; done"
        text = (
            f"tasks: {{a: {{run: 'echo {version} >> {self.log}; {wait}'}}}}\n"
            "targets: {t: {servers: web-1, task: a}}\n"
        )
        one = self.fleet.servers["web-1"]
        ssh = (
            f"servers:\n  web-1:\n    address: 127.0.0.1\n    ssh: {{user: {one.loopback.user}, "
            f'port: {one.loopback.port}, key: k, host_key: "{one.loopback.host_key}"}}\n'
            f"secrets: {{k: {{file: {one.key}}}}}\n"
        )
        agent = f"servers:\n  web-1: {{address: 127.0.0.1, agent: {{port: {self.app.port}}}}}\n"
        self.fleet.declare(text, inventory__servers_yaml=agent)
        self.other.commit({
            "ctl.yaml": f"settings: {{name: {self.fleet.project}}}\n",
            "pipelines/main.yaml": text,
            "inventory/servers.yaml": ssh,
        })  # fmt: skip

    def at(self, way: str) -> Path:
        return self.fleet.config.path if way == "agent" else self.other.path

    def ctl(self, way: str, *words: str) -> Seen:
        """Type a command as the one who goes this way."""
        return self.fleet.ctl(*words, at=self.at(way))

    def spawn(self, way: str, *words: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "controller", "-C", str(self.at(way)), *words],
            env={**self.fleet.environment, "PYTHONPATH": str(Path(__file__).parents[2])},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.fleet.spawned.append(process)
        return process

    def lines(self) -> list[str]:
        return self.log.read_text().split() if self.log.exists() else []


@pytest.fixture
def two(ships: Fleet, authority: Authority) -> Iterator[Two]:
    base = ships.servers["web-1"].base
    with agent_on(ships, authority, "web-1", "--workers", "4", base=base) as app:
        yield Two(fleet=ships, app=app, other=Repository(ships.folder / "other"))


WAYS = [("agent", "ssh"), pytest.param("ssh", "agent", marks=pytest.mark.sweep)]


@pytest.mark.parametrize(("first", "second"), WAYS)
def test_what_one_works_on_is_locked_for_the_other_who_learns_then_what_is_there(
    two: Two, first: str, second: str
) -> None:
    two.want("1")
    running = two.spawn(first, "apply", "-y")
    wait_for(two.lines, seconds=30)
    plan = two.ctl(second, "plan")
    assert "locked by" in plan.all
    refused = two.ctl(second, "apply", "-y")
    assert refused.code != 0, refused.all
    assert "locked by" in refused.all
    two.gate.touch()
    finished(running).ended(0)
    two.ctl(second, "plan", "--detailed-exitcode").ended(0)
    two.ctl(second, "apply", "-y").ended(0)
    assert two.lines() == ["1"]


@pytest.mark.parametrize(("first", "second"), WAYS)
def test_a_plan_is_stale_when_the_other_was_there_first(two: Two, first: str, second: str) -> None:
    two.want("1")
    two.gate.touch()
    saved = two.fleet.folder / "saved.plan"
    two.ctl(second, "plan", "--out", str(saved)).ended(0)
    two.ctl(first, "apply", "-y").ended(0)
    late = two.ctl(second, "apply", "-y", str(saved))
    assert late.code != 0, late.all
    assert "stale" in late.all, late.all
    assert two.lines() == ["1"]
    two.ctl(second, "plan", "--detailed-exitcode").ended(0)


@pytest.mark.sweep
@pytest.mark.parametrize(("first", "second"), WAYS)
def test_work_whose_controller_was_killed_keeps_its_lock_while_it_runs(
    two: Two, first: str, second: str
) -> None:
    two.want("1")
    running = two.spawn(first, "apply", "-y")
    wait_for(two.lines, seconds=30)
    processes.send(running.pid, signal.SIGKILL)
    finished(running)
    refused = two.ctl(second, "apply", "-y")
    assert "locked by" in refused.all, refused.all
    assert two.lines() == ["1"]
    two.gate.touch()
    two.ctl(first, "apply", "-y").ended(0)
    two.ctl(second, "plan", "--detailed-exitcode").ended(0)
    assert two.lines() == ["1"]


@pytest.mark.sweep
@pytest.mark.timeout(600)
def test_of_two_who_apply_at_the_same_moment_one_does_it(two: Two) -> None:
    two.gate.touch()
    for version in map(str, range(1, ROUNDS + 1)):
        two.want(version)
        both = [two.spawn(way, "apply", "-y") for way in ("agent", "ssh")]
        seen = [finished(one, seconds=60) for one in both]
        assert {one.code for one in seen} <= {0, 2, 3, 4, 5}, [one.all for one in seen]
        assert 0 in {one.code for one in seen}, [one.all for one in seen]
        assert two.lines().count(version) == 1, [one.all for one in seen]
        for way in ("agent", "ssh"):
            two.ctl(way, "plan", "--detailed-exitcode").ended(0)
    marker = two.fleet.servers["web-1"].base / two.fleet.project / "targets/t.json"
    assert json.loads(marker.read_bytes())["applied"]
