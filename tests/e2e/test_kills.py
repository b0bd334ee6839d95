"""kill -9 at any moment, then `ctl apply` again: every step ran exactly once, its output is whole, and the records agree."""

import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.fleet import Fleet, finished, wait_for
from tests.fakes import processes

pytestmark = pytest.mark.sweep

WORDS = ("one", "two", "three")
STRACE = shutil.which("strace")
DURABLE = "fsync,fdatasync"
"""The calls after which something is on disk for good."""
MOST = 60
"""More of them than one thread of an apply of three steps makes."""
SHARES = 32
"""Moments that the time of one apply is cut into."""


def declare(fleet: Fleet, server: str, *, first: str = "") -> Path:
    """Declare three steps that each leave a line in a file and two lines of output; `first` goes before the first."""
    log = fleet.folder / "log"
    steps = "".join(
        f"      {word}: {{run: '{first if word == WORDS[0] else ''}"
        f"echo {word} >> {log}; echo says-{word}; sleep 0.1; echo end-{word}'}}\n"
        for word in WORDS
    )
    fleet.declare(
        f"tasks:\n  a:\n    steps:\n{steps}targets:\n  t: {{servers: {server}, task: a}}\n"
    )
    return log


def judge(fleet: Fleet, log: Path, server: str) -> None:
    """Apply again, and demand that everything happened exactly once."""
    fleet.ctl("apply", "-y").ended(0)
    assert log.read_text().split() == list(WORDS)
    jobs = fleet.jobs()
    (done,) = [job for job in jobs if job["state"] == "succeeded"]
    others = {str(job["state"]) for job in jobs if job["id"] != done["id"]}
    assert others <= {"cancelled"}
    said = fleet.ctl("jobs", "logs", str(done["id"])).ended(0).out
    shown = [line for line in said.splitlines() if line.startswith(("says", "end"))]
    assert shown == [line for word in WORDS for line in (f"says-{word}", f"end-{word}")]
    fleet.ctl("plan", "--detailed-exitcode").ended(0)
    fleet.ctl("logs", "verify").ended(0)
    assert '"tried":null' in fleet.marker("t", server).read_text().replace(" ", "")
    assert list((fleet.base(server) / "attempts").glob(f"{done['id']}.*/o.*")) == []


def begin_anew(fleet: Fleet, log: Path, server: str) -> None:
    """Forget everything that was applied, here and there."""
    shutil.rmtree(fleet.state, ignore_errors=True)
    fleet.marker("t", server).unlink(missing_ok=True)
    log.unlink(missing_ok=True)


def kill(process: subprocess.Popen[str]) -> None:
    processes.send(process.pid, signal.SIGKILL)
    finished(process)


def told(fleet: Fleet, event: str) -> bool:
    return any(each["event"] == event for each in fleet.events())


def written(log: Path, lines: int) -> bool:
    return log.exists() and len(log.read_text().split()) >= lines


MOMENTS = (
    "opened",
    "run-submitting",
    "run-submitted",
    "job-starting",
    "one",
    "two",
    "three",
    "job-ended",
)


@pytest.mark.parametrize(
    ("moment", "server"),
    [
        ("one", "here"),
        ("job-ended", "web-1"),
        *(
            pytest.param(moment, ("here", "web-1")[at % 2], marks=pytest.mark.sweep)
            for at, moment in enumerate(MOMENTS)
        ),
    ],
)
def test_a_controller_killed_at_this_moment_is_taken_up(
    ships: Fleet, moment: str, server: str
) -> None:
    log = declare(ships, server)
    applying = ships.spawn("apply", "-y")
    if moment == "opened":
        wait_for((ships.state / "state.db").exists)
    elif moment in WORDS:
        wait_for(lambda: written(log, WORDS.index(moment) + 1))
    else:
        wait_for(lambda: told(ships, moment))
    kill(applying)
    judge(ships, log, server)


def test_one_killed_again_and_again_still_does_everything_once(ships: Fleet) -> None:
    log = declare(ships, "web-1")
    for lines in (0, 2):
        applying = ships.spawn("apply", "-y")
        wait_for(lambda: told(ships, "job-starting"))
        wait_for(lambda want=lines: written(log, want))  # type: ignore[misc]
        kill(applying)
    judge(ships, log, "web-1")


@pytest.mark.parametrize("server", ["here", "web-1"])
def test_a_step_that_began_and_ended_while_nobody_looked_is_shown_in_its_place(
    ships: Fleet, server: str
) -> None:
    # A pipe that nobody reads holds up the start of the second step after its claim.
    log = declare(ships, server, first='mkfifo "${CTL_OUTPUT%.one.1.output}.two.1.output"; ')
    applying = ships.spawn("apply", "-y")
    wait_for(lambda: told(ships, "job-starting"))
    (job,) = {str(each["job"]) for each in ships.events() if each["event"] == "job-starting"}
    two = ships.base(server) / "attempts" / f"{job}.two.1"
    wait_for((two / "claim").exists)
    kill(applying)
    with (ships.base(server) / "jobs" / job / f"{two.name}.output").open("rb"):
        wait_for((two / "exit").exists)
    judge(ships, log, server)


@pytest.mark.parametrize("lines", [0, 2])
def test_a_connection_that_dies_is_opened_again_and_nothing_runs_twice(
    ships: Fleet, lines: int
) -> None:
    log = declare(ships, "web-1")
    applying = ships.spawn("apply", "-y")
    wait_for(lambda: told(ships, "job-starting"))
    wait_for(lambda: written(log, lines))
    ships.servers["web-1"].kill_sessions()
    finished(applying).ended(0)
    judge(ships, log, "web-1")


@pytest.mark.parametrize("signals", [(signal.SIGTERM,), (signal.SIGINT, signal.SIGINT)])
def test_an_interrupted_apply_says_that_work_goes_on(
    ships: Fleet, signals: tuple[signal.Signals, ...]
) -> None:
    log = declare(ships, "web-1")
    applying = ships.spawn("apply", "-y")
    wait_for(lambda: written(log, 1))
    for number in signals:
        processes.send(applying.pid, number)
    said = finished(applying, seconds=5).ended(130)
    assert "goes on" in said.err
    judge(ships, log, "web-1")


def test_the_output_of_steps_that_ended_while_nobody_looked_is_whole(
    each: tuple[Fleet, str],
) -> None:
    fleet, server = each
    done = fleet.folder / "done"
    fleet.declare(
        "tasks: {a: {run: 'i=0; while [ $i -lt 20000 ]; do echo line-$i; i=$((i+1)); done; "
        f"touch {done}'}}}}\ntargets: {{t: {{servers: {server}, task: a}}}}\n"
    )
    applying = fleet.spawn("apply", "-y")
    wait_for(lambda: told(fleet, "job-starting"))
    kill(applying)
    fleet.ctl("apply", "-y").ended(0)
    assert done.exists()
    said = fleet.ctl("jobs", "logs", "@last").ended(0).out
    lines = [line for line in said.splitlines() if line.startswith("line-")]
    assert lines == [f"line-{i}" for i in range(20000)]


@pytest.mark.sweep
@pytest.mark.skipif(STRACE is None, reason="no strace here")
@pytest.mark.parametrize("server", ["here", "web-1"])
@pytest.mark.timeout(1200)
def test_a_controller_killed_at_each_of_its_durable_operations_is_taken_up(
    ships: Fleet, server: str
) -> None:
    assert STRACE is not None
    log = declare(ships, server)
    for count in range(1, MOST):
        begin_anew(ships, log, server)
        inject = ("-e", f"trace={DURABLE}", "-e", f"inject={DURABLE}:signal=KILL:when={count}")
        prefix = (STRACE, "-f", "-o", "/dev/null", *inject)  # with --seccomp-bpf it forgets
        ended = finished(ships.spawn("apply", "-y", prefix=prefix))
        judge(ships, log, server)
        if ended.code == 0:
            assert count > len(WORDS)  # it makes no more than this: the whole way was swept
            return
    pytest.fail("an apply makes more durable operations than were swept")


@pytest.mark.sweep
@pytest.mark.parametrize("server", ["here", "web-1"])
@pytest.mark.timeout(600)
def test_a_controller_killed_after_any_time_is_taken_up(ships: Fleet, server: str) -> None:
    log = declare(ships, server)
    began = time.monotonic()
    finished(ships.spawn("apply", "-y")).ended(0)
    whole = time.monotonic() - began
    for share in range(6, SHARES):  # before, it only loads itself
        begin_anew(ships, log, server)
        applying = ships.spawn("apply", "-y")
        time.sleep(whole * share / SHARES)
        kill(applying)
        judge(ships, log, server)
