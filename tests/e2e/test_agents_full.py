"""Agents without room: disks that are full, no descriptors, no processes. It is told, nothing is lost, and all goes on when there is room."""

import contextlib
import os
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.agents import AgentHost, Authority, agent_on, declared
from tests.e2e.fleet import ROOT, Fleet, finished, wait_for
from tests.fakes import processes

DISK = "8m"
PIDS = Path("/sys/fs/cgroup/pids")
WAITING = 6
"""The exit code of who waited in vain."""


@pytest.fixture
def app(fleet: Fleet, authority: Authority) -> Iterator[AgentHost]:
    """A server whose agent keeps its state on one small disk, and its targets on another."""
    if not ROOT:
        pytest.skip("only root may mount")
    with agent_on(fleet, authority, "app-1") as host, contextlib.ExitStack() as stack:
        host.end()
        for folder in (host.state, host.base):
            folder.mkdir(exist_ok=True)
            mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=755", "tmpfs", str(folder)]
            if subprocess.run(mount, check=False, capture_output=True).returncode:
                pytest.skip("no right to mount here")
            stack.callback(subprocess.run, ["umount", "-l", str(folder)], check=True)
        host.start()
        stack.callback(host.end, signal.SIGKILL)
        yield host


def fill(disk: Path) -> None:
    """Leave no room."""
    with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


def declare(fleet: Fleet, app: AgentHost, text: str) -> None:
    fleet.declare(
        f"tasks: {{a: {{run: '{text}'}}}}\ntargets: {{t: {{servers: app-1, task: a}}}}\n",
        inventory__servers_yaml=declared(app),
    )


def runs_once(fleet: Fleet, log: Path) -> None:
    """Demand that there is room now: what was wanted is done, once."""
    fleet.ctl("apply", "-y").ended(0)
    fleet.ctl("plan", "--detailed-exitcode").ended(0)
    assert log.read_text() == "ran\n"
    fleet.ctl("logs", "verify").ended(0)


@contextlib.contextmanager
def crowded(host: AgentHost) -> Iterator[Callable[[int | None], None]]:
    """Count the processes and threads of an agent and all it starts; give what leaves it only so many more."""
    folder = PIDS / f"ctl-e2e-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("no right to limit the number of processes here")
    assert host.process is not None

    def leave(spare: int | None) -> None:
        used = int((folder / "pids.current").read_text())
        (folder / "pids.max").write_text("max" if spare is None else str(used + spare))

    try:
        for pid in [host.process.pid, *processes.below(host.process.pid)]:
            (folder / "cgroup.procs").write_text(str(pid))
        yield leave
    finally:
        leave(None)
        wait_for(lambda: emptied(folder))
        folder.rmdir()


def emptied(folder: Path) -> bool:
    """Move everybody out of a group; say whether nobody is left."""
    for pid in (folder / "cgroup.procs").read_text().split():
        with contextlib.suppress(OSError):  # it has ended
            (PIDS / "cgroup.procs").write_text(pid)
    return not (folder / "cgroup.procs").read_text()


@pytest.mark.parametrize(
    "spare", [0, *(pytest.param(n, marks=pytest.mark.sweep) for n in (1, 2, 3))]
)
def test_an_agent_that_may_have_no_more_processes_says_so_and_goes_on_later(
    fleet: Fleet, authority: Authority, spare: int
) -> None:
    log = fleet.folder / "log"
    with agent_on(fleet, authority, "app-1") as app, crowded(app) as leave:
        declare(fleet, app, f"echo ran >> {log}")
        leave(spare)
        said = fleet.ctl("apply", "-y", "--timeout", "10s")
        assert "Traceback" not in said.all
        assert said.code == 0 or "never started" in said.all, said.all
        assert app.process is not None
        assert app.process.poll() is None, app.log
        assert log.exists() == (said.code == 0)
        leave(None)
        if said.code != 0:
            fleet.ctl("jobs", "retry", "@last").ended(0)
        runs_once(fleet, log)


@pytest.mark.parametrize("which", ["state", pytest.param("base", marks=pytest.mark.sweep)])
def test_a_full_disk_of_an_agent_is_told_and_nothing_runs_until_there_is_room(
    fleet: Fleet, app: AgentHost, which: str
) -> None:
    log = fleet.folder / "log"
    declare(fleet, app, f"echo ran >> {log}")
    disk: Path = getattr(app, which)
    fill(disk)
    said = fleet.ctl("apply", "-y", "--timeout", "10s")
    assert said.code > 1, said.all
    assert "Traceback" not in said.all
    assert "no space" in said.all.lower() or said.code == WAITING, said.all
    assert not log.exists()
    assert app.process is not None
    assert app.process.poll() is None, app.log
    (disk / "filler").unlink()
    if fleet.jobs()[0]["state"] == "failed":
        fleet.ctl("jobs", "retry", "@last").ended(0)
    runs_once(fleet, log)


@pytest.mark.sweep
def test_output_that_meets_a_full_disk_is_told_to_be_cut(fleet: Fleet, app: AgentHost) -> None:
    declare(
        fleet,
        app,
        f"echo begun; touch {fleet.folder}/begun; until [ -e {fleet.folder}/full ]; do sleep 0.05; done; "
        "yes x | head -c 600000",
    )
    running = fleet.spawn("apply", "-y")
    wait_for((fleet.folder / "begun").exists, seconds=30)
    fill(app.state)
    (fleet.folder / "full").touch()
    said = finished(running)
    job = fleet.jobs()[0]
    assert said.code in {0, 2}, said.all
    assert job["state"] in {"succeeded", "failed"}, job
    shown = fleet.ctl("jobs", "logs", "@last").ended(0).out
    assert "begun" in shown
    whole = shown.count("x\n") == 300_000
    assert whole or "missing" in shown or "dropped" in shown, shown[:400]
    (app.state / "filler").unlink()
    fleet.ctl("run", "--on", "app-1", "--", "echo there is room").ended(0)


@pytest.mark.sweep
def test_an_agent_without_descriptors_runs_nothing_twice_and_goes_on_later(
    fleet: Fleet, app: AgentHost
) -> None:
    log = fleet.folder / "log"
    declare(fleet, app, f"echo ran >> {log}")
    assert app.process is not None
    before = resource.prlimit(app.process.pid, resource.RLIMIT_NOFILE)
    few = len(list(Path(f"/proc/{app.process.pid}/fd").iterdir()))
    for spare in range(3):
        resource.prlimit(app.process.pid, resource.RLIMIT_NOFILE, (few + spare, before[1]))
        said = fleet.ctl("apply", "-y", "--timeout", "5s")
        assert "Traceback" not in said.all
        if said.code == 0:
            break
    resource.prlimit(app.process.pid, resource.RLIMIT_NOFILE, before)
    assert app.process.poll() is None, app.log
    runs_once(fleet, log)
