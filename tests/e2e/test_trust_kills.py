"""kill -9 in the middle of a rollout of files, trees and steps: nothing is torn, nothing runs twice, and `apply` converges."""

import shutil
import time
from pathlib import Path

import pytest

from tests.e2e.fleet import Fleet, finished, wait_for
from tests.fakes.repositories import Repository

pytestmark = pytest.mark.sweep

STRACE = shutil.which("strace")
DURABLE = "fsync,fdatasync"
WEB = ("web-1", "web-2", "web-3")
ROWS = 2_000
"""Lines of a delivered file: enough to be torn."""
SECONDS = 60.0
"""After so long the sweep goes on in longer strides."""


class World:
    """Three servers that get a file, a tree and two steps in waves; each round wants another version of all."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.shop = Repository(fleet.folder / "shop")
        self.version = 0
        self.log = fleet.folder / "log"

    def want(self, *, health: str = "true") -> None:
        """Declare the next version."""
        self.version += 1
        n, there = self.version, self.fleet.folder
        self.shop.commit({f"app/part-{i}": f"{n}\n" for i in range(20)})
        self.log.unlink(missing_ok=True)
        row = f"version {n}\\n"
        self.fleet.declare(
            f"repos: {{shop: {{url: {self.shop.path}}}}}\n"
            "tasks:\n  roll:\n"
            f"    checkout: {{path: '{there}/{{{{ server.name }}}}.tree', releases: 2}}\n"
            f"    files:\n      - path: '{there}/{{{{ server.name }}}}.conf'\n"
            f'        content: "{{% for i in range({ROWS}) %}}{row}{{% endfor %}}"\n'
            "    steps:\n"
            f"      one: {{run: 'echo $CTL_SERVER one >> {self.log}; {health}'}}\n"
            f"      two: {{run: 'echo $CTL_SERVER two >> {self.log}'}}\n"
            "targets:\n  roll: {repo: shop, servers: 'web-1:web-2:web-3', task: roll, rollout: {canary: 1, batch: 2}}\n"
        )

    def whole(self) -> None:
        """Demand that every file and every tree is of one version, the old one or the new one."""
        old_or_new = {str(self.version - 1), str(self.version)}
        for server in WEB:
            file = self.fleet.folder / f"{server}.conf"
            rows = set(file.read_text().splitlines()) if file.exists() else {"version 0"}
            assert len(rows) == 1, (server, rows)
            assert rows.pop().removeprefix("version ") in old_or_new
            current = self.fleet.folder / f"{server}.tree/current"
            if current.is_symlink():
                tree = current.resolve()
                parts = {(tree / f"app/part-{i}").read_text().strip() for i in range(20)}
                assert len(parts) == 1, (server, parts)
                assert parts.pop() in old_or_new

    def converged(self) -> None:
        """Demand that all is as wanted, and that each step ran exactly once on each server."""
        fleet = self.fleet
        fleet.ctl("plan", "--detailed-exitcode").ended(0)
        self.whole()
        for server in WEB:
            text = (fleet.folder / f"{server}.conf").read_text()
            assert text == f"version {self.version}\n" * ROWS
            current = fleet.folder / f"{server}.tree/current"
            assert (current / "REVISION").read_text().strip() == self.shop.head
            assert (
                len([one for one in (current.parent / "releases").iterdir() if one.is_dir()]) <= 2
            )
        ran = sorted(self.log.read_text().splitlines())
        assert ran == sorted(f"{server} {step}" for server in WEB for step in ("one", "two"))
        left: list[Path] = [
            one for one in fleet.folder.rglob("*") if one.name.startswith((".ctl-new-", ".new-", ".ctl-link-"))
        ]  # fmt: skip
        assert left == []


def told(fleet: Fleet, event: str, times: int) -> bool:
    return sum(each["event"] == event for each in fleet.events()) >= times


@pytest.mark.parametrize(
    ("event", "times"),
    [
        ("job-ended", 1),
        pytest.param("job-starting", 1, marks=pytest.mark.sweep),
        pytest.param("job-starting", 3, marks=pytest.mark.sweep),
    ],
)
def test_a_controller_killed_in_a_wave_leaves_nothing_torn_and_nothing_twice(
    rack: Fleet, event: str, times: int
) -> None:
    world = World(rack)
    world.want()
    applying = rack.spawn("apply", "-y")
    wait_for(lambda: told(rack, event, times))
    applying.kill()
    finished(applying)
    world.whole()
    rack.ctl("apply", "-y").ended(0)
    world.converged()


def test_a_halted_rollout_whose_controller_was_killed_goes_on_by_resume(rack: Fleet) -> None:
    world = World(rack)
    bad = rack.folder / "bad"
    bad.touch()
    world.want(health=f"sleep 0.3; test ! -e {bad}")
    applying = rack.spawn("apply", "-y")
    wait_for(world.log.exists)
    applying.kill()
    finished(applying)
    first = rack.ctl("apply", "-y")
    assert first.code in {2, 4, 5}, first.all
    held = rack.ctl("apply", "-y").ended(4)
    assert world.log.read_text() == "web-1 one\n"  # nothing further was started
    run = held.all.partition("ctl apply --resume ")[2].split()[0]
    bad.unlink()
    world.log.unlink()
    rack.ctl("apply", "-y", "--resume", run).ended(0)
    world.converged()


@pytest.mark.sweep
@pytest.mark.skipif(STRACE is None, reason="no strace here")
@pytest.mark.timeout(400)
def test_a_rollout_killed_at_each_durable_operation_converges(rack: Fleet) -> None:
    assert STRACE is not None
    world = World(rack)
    world.want()
    rack.ctl("apply", "-y").ended(0)
    began, count, killed = time.monotonic(), 1, 0
    while True:
        world.want()
        inject = ("-e", f"trace={DURABLE}", "-e", f"inject={DURABLE}:signal=KILL:when={count}")
        prefix = (STRACE, "-f", "-o", "/dev/null", *inject)
        ended = finished(rack.spawn("apply", "-y", prefix=prefix))
        world.whole()
        rack.ctl("apply", "-y").ended(0)
        world.converged()
        if ended.code == 0:
            break
        killed += 1
        count += 1 if time.monotonic() - began < SECONDS else 8
    assert killed > 10
    rack.ctl("logs", "verify").ended(0)
