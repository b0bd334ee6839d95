"""Limits that the runner asks the kernel for, on a folder that looks like its cgroups: what is written where, and when not."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.model.task import Limits
from controller.transport import lines
from controller.transport.port import Ending, Offer
from tests.transport.way import Way, local_way

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has cgroups")
ALL = "cpu memory pids io"
WANTED = Limits(cpu=1.5, memory=64 << 20, pids=20, io=1 << 20)


class Kernel:
    """A folder with the files of a cgroup tree; groups made in it get no files by themselves."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "cgroup"
        self.ours = self.root / "ctl"
        self.ours.mkdir(parents=True)
        self.mounts = folder / "mounts"
        self.mounts.write_text(f"proc /proc proc rw 0 0\ncgroup2 {self.root} cgroup2 rw 0 0\n")
        self.disks = folder / "block"
        self.disk("sda", "8:0", 1000)
        self.disk("loop0", "7:0", 0)
        (self.root / "cgroup.procs").write_text("1\n2\n")
        (self.ours / "cgroup.procs").write_text("")
        self.give(ALL, admitted=ALL)

    def give(self, there: str, *, admitted: str) -> None:
        """Say which controllers the kernel has, and which are in force for groups of attempts."""
        for folder in (self.root, self.ours):
            (folder / "cgroup.controllers").write_text(f"{there}\n")
            (folder / "cgroup.subtree_control").write_text(f"{admitted}\n")

    def disk(self, name: str, number: str, blocks: int) -> None:
        (self.disks / name).mkdir(parents=True)
        (self.disks / name / "dev").write_text(f"{number}\n")
        (self.disks / name / "size").write_text(f"{blocks}\n")

    def of(self, attempt: str, name: str) -> str:
        return (self.ours / attempt / name).read_text()


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel(tmp_path)
    text = lines.runner_text()
    for real, ours in ((b"/proc/mounts", made.mounts), (b"/sys/block", made.disks)):
        assert text.count(real) == 1
        text = text.replace(real, str(ours).encode())
    monkeypatch.setattr(lines, "runner_text", lambda: text)
    return made


@pytest.fixture(params=("dash", "bash", "busybox"))
async def way(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Way]:
    """This machine as root, through one shell."""
    with local_way(tmp_path, request.param) as made:
        yield made
        await made.close()


async def test_every_limit_is_set_before_the_command_begins(kernel: Kernel, way: Way) -> None:
    session = await way.open()
    assert Offer.LIMITS in session.facts.offers
    spec = way.spec(
        f"cat {kernel.ours}/$NAME/pids.max", limits=WANTED, env={"NAME": f"{way.job}.step.1"}
    )
    await session.start(spec)
    ended = await session.wait(spec.id)
    assert (ended.ending, ended.exit_code, ended.means) == (Ending.EXIT, 0, "cgroup")
    assert not ended.out_of_memory
    assert kernel.of(spec.id, "cpu.max") == "150000 100000\n"
    assert kernel.of(spec.id, "memory.max") == f"{64 << 20}\n"
    assert kernel.of(spec.id, "pids.max") == "20\n"
    assert kernel.of(spec.id, "io.max") == f"8:0 rbps={1 << 20} wbps={1 << 20}\n"
    assert kernel.of(spec.id, "cgroup.procs").strip().isdigit()


async def test_an_attempt_without_limits_has_none(kernel: Kernel, way: Way) -> None:
    await way.run("true", limits=Limits(pids=3))
    ended, _ = await way.run("true")
    assert (ended.exit_code, ended.means) == (0, "")
    assert [one.name for one in (kernel.ours / ended.id).iterdir()] == ["cgroup.procs"]


@pytest.mark.parametrize(
    ("there", "lacking"),
    [("cpu", " memory pids io"), ("", " cpu memory pids io"), ("cpu memory pids", " io")],
)
async def test_a_controller_that_is_missing_is_named_and_nothing_runs(
    kernel: Kernel, way: Way, tmp_path: Path, there: str, lacking: str
) -> None:
    kernel.give(there, admitted=there)
    facts = (await way.open()).facts
    assert {one for one in facts.tools if one.startswith("limit-")} == {
        f"limit-{one}" for one in there.split()
    }
    assert (Offer.LIMITS in facts.offers) is bool(there)
    ended, output = await way.run(f"touch {tmp_path}/ran", limits=WANTED)
    assert (ended.ending, output) == (Ending.START, b"")
    assert ended.message.startswith(f"cannot limit{lacking}: ")
    assert not (tmp_path / "ran").exists()


async def test_a_controller_that_is_not_in_force_is_asked_for(kernel: Kernel, way: Way) -> None:
    """Here the kernel does as it is told: what is written stands in the file."""
    kernel.give("pids", admitted="")
    ended, _ = await way.run("true", limits=Limits(pids=3))
    assert ended.ending is Ending.START  # "+pids" is not yet "pids"
    assert (kernel.root / "cgroup.subtree_control").read_text() == "+pids\n"
    assert (kernel.ours / "cgroup.subtree_control").read_text() == "+pids\n"


async def test_a_branch_with_members_lets_nothing_more_in(kernel: Kernel, way: Way) -> None:
    kernel.give("cpu", admitted="")
    (kernel.ours / "cgroup.controllers").write_text("\n")
    (kernel.root / "cgroup.type").write_text("domain\n")
    assert "limit-cpu" not in (await way.open()).facts.tools


async def test_disks_that_cannot_be_limited_are_no_limit(kernel: Kernel, way: Way) -> None:
    (kernel.disks / "sda" / "size").write_text("0\n")
    ended, _ = await way.run("true", limits=Limits(io=1 << 20))
    assert ended.message.startswith("cannot limit io: ")


async def test_a_limit_the_kernel_refuses_is_no_limit(kernel: Kernel, way: Way) -> None:
    session = await way.open()
    spec = way.spec("true", limits=Limits(memory=1 << 20))
    group = kernel.ours / spec.id
    group.mkdir()
    (group / "memory.max").symlink_to("/dev/full")
    await session.start(spec)
    assert (await session.wait(spec.id)).message.startswith("cannot limit memory: ")


async def test_want_of_memory_is_told(kernel: Kernel, way: Way) -> None:
    session = await way.open()
    spec = way.spec("kill -KILL $$", limits=Limits(memory=1 << 30))
    group = kernel.ours / spec.id
    group.mkdir()
    (group / "memory.events").write_text("low 0\nhigh 0\nmax 7\noom 1\noom_kill 1\n")
    (group / "memory.swap.max").write_text("max\n")
    await session.start(spec)
    ended = await session.wait(spec.id)
    assert (ended.exit_code, ended.out_of_memory) == (137, True)
    assert kernel.of(spec.id, "memory.swap.max") == "0\n"
