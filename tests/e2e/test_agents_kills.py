"""Kills and cuts at any moment of an attempt over an agent: nothing starts twice, no byte of output is lost, and the records say so."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.agents import AgentHost, Authority, agent_on, free_port
from tests.e2e.fleet import Fleet, finished, launched, wait_for
from tests.e2e.listening import PullFleet, listening
from tests.e2e.relay import Relay, Way, relayed
from tests.fakes import processes
from tests.fakes.repositories import Repository

LINES = 100_000
"""Of output: about three megabytes, in three parts."""
PARTS = 3
STREAM = "".join(f"line {n:07} of a steady stream\n" for n in range(1, LINES + 1)).encode()
SECONDS, LONGER = 15.0, 45.0
"""A sweep of cuts goes on no longer; an agent that dials takes its time after each."""
CODE = 7
PATIENCE = 90.0
"""Seconds for one command: an agent that dials may first have to come back."""


@dataclass(slots=True, kw_only=True)
class World:
    """A server that is reached through a bad network, and one step that talks a lot."""

    fleet: Fleet
    app: AgentHost
    relay: Relay
    dialled: bool = True
    """Whether the agent is dialled; else it dials."""

    @property
    def starts(self) -> Path:
        return self.fleet.folder / "starts"

    def wait(self, holds: Callable[[], object]) -> None:
        """Wait for a moment; an agent that dials comes the later the longer nobody was there."""
        wait_for(holds, seconds=10 if self.dialled else 60)

    def part(self, number: int) -> Path:
        """Where the step says how far it is."""
        return self.fleet.folder / f"part-{number}"

    def declare(self, *, code: int = 0, pause: float = 0.15) -> None:
        """Declare the step: it says that it started, talks in parts with pauses of some seconds, and ends with `code`."""
        each = LINES // PARTS + 1
        script = self.fleet.folder / "talk"
        script.write_text(
            f'echo "$CTL_ATTEMPT" >> {self.starts}\n'
            f"for part in 1 2 3; do\n"
            f"  seq -f 'line %07.0f of a steady stream' $(((part - 1) * {each} + 1)) $((part * {each} < {LINES} ? part * {each} : {LINES}))\n"
            f"  touch {self.fleet.folder}/part-$part\n  sleep {pause}\ndone\nexit {code}\n"
        )
        self.fleet.agents["app-1"] = (self.relay.port if self.dialled else 0, self.app.base)
        self.fleet.declare(
            f"tasks: {{talk: {{run: sh {script}}}}}\ntargets: {{t: {{servers: app-1, task: talk}}}}\n"
        )

    def anew(self) -> None:
        """Forget everything that was applied, here and there."""
        shutil.rmtree(self.fleet.state, ignore_errors=True)
        self.fleet.marker("t", "app-1").unlink(missing_ok=True)
        for one in (self.starts, *map(self.part, range(1, PARTS + 1))):
            one.unlink(missing_ok=True)

    def judge(self) -> None:
        """Demand that it ran once, wholly, and that all records agree."""
        fleet = self.fleet
        self.relay.up()
        fleet.ctl("apply", "-y").ended(0)
        started = self.starts.read_text().splitlines()
        assert len(started) == len(set(started)), started
        jobs = fleet.jobs()
        (done,) = [job for job in jobs if job["state"] == "succeeded"]
        assert len(started) == 1, (started, jobs)
        assert {job["state"] for job in jobs} <= {"succeeded", "cancelled"}
        assert done["exit_code"] == 0
        self.whole(str(done["id"]))
        self.quiet()
        fleet.ctl("plan", "--detailed-exitcode").ended(0)
        fleet.ctl("logs", "verify").ended(0)
        assert '"tried":null' in fleet.marker("t", "app-1").read_text().replace(" ", "")

    def whole(self, job: str) -> None:
        """Demand every byte of its output."""
        raw = subprocess.run(
            [
                *(sys.executable, "-m", "controller", "-C", str(self.fleet.config.path)),
                *("jobs", "logs", job, "--raw"),
            ],
            env={**self.fleet.environment, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            check=True,
        ).stdout
        assert len(raw) == len(STREAM), raw[:200]
        assert hashlib.sha256(raw).digest() == hashlib.sha256(STREAM).digest()

    def quiet(self) -> None:
        """Demand that nothing of it runs, and that nobody holds its lock."""
        ids = [str(job["id"]) for job in self.fleet.jobs()]
        marks = [f"CTL_MARK=:{one}.".encode() for one in ids]
        assert [pid for mark in marks for pid in processes.marked(mark)] == []
        assert not self.fleet.ctl("plan", "-o", "json").json.get("locks")


@pytest.fixture(
    params=[
        "agent",
        pytest.param("pull", marks=(pytest.mark.sweep, pytest.mark.timeout(600))),
    ]
)
def world(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    """An agent that is dialled, or one that dials whatever command is running."""
    making = dialling if request.param == "pull" else dialled
    with making(tmp_path, authority, monkeypatch) as made:
        made.declare()
        yield made


@contextmanager
def dialled(folder: Path, authority: Authority, _: pytest.MonkeyPatch) -> Iterator[World]:
    with (
        launched(folder) as fleet,
        agent_on(fleet, authority, "app-1") as app,
        relayed(app.port) as relay,
    ):
        yield World(fleet=fleet, app=app, relay=relay)


@contextmanager
def dialling(
    folder: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    port = free_port()
    monkeypatch.setattr("controller.service.local.Works", listening(port))
    (folder / "home").mkdir()
    fleet = PullFleet(folder=folder, config=Repository(folder / "config"), port=port)
    try:
        with (
            relayed(port) as relay,
            agent_on(fleet, authority, "app-1", connect=relay.port) as app,
        ):
            yield World(fleet=fleet, app=app, relay=relay, dialled=False)
    finally:
        fleet.clean()


def told(world: World, event: str) -> bool:
    return any(each["event"] == event for each in world.fleet.events())


MOMENTS: dict[str, Callable[[World], object]] = {
    "before anything is sent": lambda world: (world.fleet.state / "state.db").exists(),
    "connected": lambda world: world.relay.made,
    "about to start": lambda world: told(world, "job-starting"),
    "started": lambda world: world.starts.exists(),
    "while it talks": lambda world: world.part(1).exists(),
    "at its end": lambda world: world.part(3).exists(),
    "collected": lambda world: told(world, "job-ended"),
}


def kill_agent(world: World, applying: "subprocess.Popen[str]") -> None:
    """Kill the daemon, and have it started again."""
    world.app.end(signal.SIGKILL)
    world.app.start()
    finished(applying, seconds=PATIENCE)


def kill_controller(world: World, applying: "subprocess.Popen[str]") -> None:
    processes.send(applying.pid, signal.SIGKILL)
    finished(applying, seconds=PATIENCE)


def kill_both(world: World, applying: "subprocess.Popen[str]") -> None:
    kill_controller(world, applying)
    world.app.end(signal.SIGKILL)
    world.app.start()


def cut(world: World, applying: "subprocess.Popen[str]") -> None:
    """Break the connection off; it can be made again at once."""
    world.relay.cut()
    finished(applying, seconds=PATIENCE)


def lose(world: World, applying: "subprocess.Popen[str]") -> None:
    """Have no network for a while."""
    world.relay.down()
    time.sleep(1)
    world.relay.up()
    finished(applying, seconds=PATIENCE)


def stall(world: World, applying: "subprocess.Popen[str]") -> None:
    """Have a network that carries nothing for a while, and then goes on."""
    world.relay.stall()
    time.sleep(1)
    world.relay.up()
    finished(applying, seconds=PATIENCE).ended(0)


def tear(world: World, applying: "subprocess.Popen[str]") -> None:
    """Break off in the middle of what is said next in each direction, one after the other."""
    world.relay.cut_after("back", 37)
    time.sleep(0.3)
    world.relay.cut_after("there", 37)
    finished(applying, seconds=PATIENCE)


FAULTS = (kill_agent, kill_controller, cut, lose, stall, tear)
ALWAYS = {("while it talks", "kill_agent"), ("started", "tear")}


@pytest.mark.parametrize(
    ("moment", "fault"),
    [
        pytest.param(
            moment,
            fault,
            id=f"{fault.__name__}-{moment.replace(' ', '-')}",
            marks=[] if (moment, fault.__name__) in ALWAYS else pytest.mark.sweep,
        )
        for moment in MOMENTS
        for fault in FAULTS
    ],
)
def test_whatever_breaks_at_this_moment_it_runs_once_and_no_byte_is_lost(
    world: World, moment: str, fault: "Callable[[World, subprocess.Popen[str]], None]"
) -> None:
    applying = world.fleet.spawn("apply", "-y")
    world.wait(lambda: MOMENTS[moment](world))
    fault(world, applying)
    world.judge()


@pytest.mark.sweep
@pytest.mark.timeout(600)
@pytest.mark.parametrize("way", ["there", "back"])
def test_a_connection_cut_after_any_byte_loses_and_repeats_nothing(world: World, way: Way) -> None:
    finished(world.fleet.spawn("apply", "-y"), seconds=PATIENCE).ended(0)
    world.judge()
    size = world.relay.carried[way]
    began = time.monotonic()
    step, cuts = 0.0, 0
    while time.monotonic() - began < (SECONDS if world.dialled else LONGER):
        # golden: a sequence that is spread evenly wherever it stops
        step = (step + 0.618_034) % 1
        world.anew()
        made = world.relay.made
        world.relay.cut_after(way, 1 + int(size * step * 0.6))
        finished(world.fleet.spawn("apply", "-y"), seconds=PATIENCE)
        cuts += world.relay.made > made + 1
        world.judge()
    assert cuts > 1


@pytest.mark.parametrize(
    "moment",
    [
        "started",
        pytest.param("while it talks", marks=pytest.mark.sweep),
        pytest.param("at its end", marks=pytest.mark.sweep),
    ],
)
def test_a_supervisor_that_is_killed_is_an_interruption_and_nothing_starts_by_itself(
    world: World, moment: str
) -> None:
    world.declare(pause=2)  # time to look for it, also at the end
    applying = world.fleet.spawn("apply", "-y")
    world.wait(lambda: MOMENTS[moment](world))
    (job,) = world.fleet.jobs()
    pids = processes.marked(f"CTL_MARK=:{job['id']}.".encode())
    parents = {int(processes.fields_of(pid)[1]) for pid in pids if processes.fields_of(pid)}
    for pid in parents - set(pids):
        os.kill(pid, signal.SIGKILL)
    done = finished(applying, seconds=PATIENCE)
    assert done.code in {2, 4, 5}, done.all
    (job,) = world.fleet.jobs()
    assert job["state"] in {"interrupted", "failed"}, job
    assert "interrupted" in str(job), job
    assert len(world.starts.read_text().splitlines()) == 1
    world.quiet()
    shown = world.fleet.ctl("plan", "--detailed-exitcode")
    assert shown.code == 2, shown.all


@pytest.mark.parametrize("fault", [
    pytest.param(kill_agent, marks=pytest.mark.sweep), pytest.param(lose, marks=pytest.mark.sweep),
    kill_both,
])  # fmt: skip
def test_an_exit_code_is_exact_though_nobody_was_there_to_see_it(
    world: World, fault: "Callable[[World, subprocess.Popen[str]], None]"
) -> None:
    world.declare(code=CODE)
    applying = world.fleet.spawn("apply", "-y")
    world.wait(world.starts.exists)
    fault(world, applying)
    world.relay.up()
    world.fleet.ctl("run", "--on", "app-1", "--", "true").ended(0)  # takes up what is under way
    job = world.fleet.jobs()[-1]
    assert (job["state"], job["exit_code"]) == ("failed", CODE)
    world.whole(str(job["id"]))
    assert world.starts.read_text().count("\n") == 1
