"""A machine that has no more descriptors or processes refuses clearly, and has not half started anything."""

import asyncio
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from controller.execution import linux
from controller.execution.ending import Ending
from controller.execution.spec import Limits, Spec
from controller.execution.status import Status
from tests.execution.room import A1, Room, collect, script

PIDS = Path("/sys/fs/cgroup/pids")


def unstarted(status: Status, why: str) -> bool:
    assert status.end is not None
    return (status.end.ending, status.end.exit_code) == (
        Ending.UNSTARTED,
        None,
    ) and why in status.end.message


@contextmanager
def few_descriptors(pid: int, spare: int) -> Iterator[None]:
    """Let a process open only so many more."""
    was = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    taken = max(int(entry.name) for entry in Path(f"/proc/{pid}/fd").iterdir()) + 1
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (taken + spare, was[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, was)


@contextmanager
def every_gap_filled() -> Iterator[None]:
    """Hold every descriptor that this process may still open."""
    held: list[int] = []
    try:
        with suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)


@contextmanager
def no_more_processes(pid: int) -> Iterator[None]:
    """Keep a process from having another one."""
    folder = PIDS / f"ctl-test-{os.getpid()}-{pid}"
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("no right to limit the number of processes here")
    try:
        linux.put(str(folder / "pids.max"), "1")
        linux.put(str(folder / "cgroup.procs"), str(pid))
        yield
    finally:
        linux.put(str(PIDS / "cgroup.procs"), str(pid))
        folder.rmdir()


async def test_a_supervisor_without_descriptors_starts_nothing_and_says_so(
    bare: Room, tmp_path: Path
) -> None:
    executor = await bare.enter()
    (waiting,) = executor._starter.pool._waiting
    for spare in range(8):
        with few_descriptors(waiting.pid, spare):
            argv = ("sh", "-c", f"echo x >>{tmp_path}/ran")
            spec = Spec(id=f"{A1}.{spare}", job="job", argv=argv, workdir="/")
            status = await bare.run(executor, spec)
        if status.end is not None and status.end.ending is Ending.EXIT:
            assert spare > 3
            break
        assert unstarted(status, "Too many open files"), status
        assert not (tmp_path / "ran").exists()
    else:
        raise AssertionError("it never runs")
    assert (tmp_path / "ran").read_text() == "x\n"
    assert not (bare.folder / "trouble").exists()


async def test_an_agent_without_descriptors_starts_nothing_and_recovers(bare: Room) -> None:
    executor = await bare.enter()
    await bare.start(executor, script(f"{A1}.0", "sleep 0.3"))  # takes the one that waited
    with few_descriptors(os.getpid(), 0), every_gap_filled():
        status = await bare.run(executor, script(A1, "true"))
    assert unstarted(status, "Too many open files"), status
    status = await bare.run(executor, script(f"{A1}.2", "exit 4"))
    assert status.end is not None
    assert status.end.exit_code == 4


async def test_no_room_for_another_supervisor_is_told(bare: Room) -> None:
    executor = await bare.enter()
    nursery = executor._starter.pool._spawner._process
    assert nursery is not None
    await bare.start(executor, script(f"{A1}.0", "sleep 0.3"))
    with no_more_processes(nursery.pid):
        status = await bare.run(executor, script(A1, "true"))
    assert unstarted(status, "cannot start a supervisor: Resource temporarily unavailable")
    status = await bare.run(executor, script(f"{A1}.2", "exit 4"))
    assert status.end is not None
    assert status.end.exit_code == 4


@pytest.mark.parametrize("limits", [Limits(), Limits(memory=1 << 40)], ids=["spawned", "forked"])
async def test_no_room_for_the_command_is_told(bare: Room, limits: Limits) -> None:
    executor = await bare.enter()
    (waiting,) = executor._starter.pool._waiting
    with no_more_processes(waiting.pid):
        status = await bare.run(executor, script(A1, "true", limits=limits))
    assert unstarted(status, "Resource temporarily unavailable")
    status = await bare.run(executor, script(f"{A1}.2", "echo on", limits=limits))
    assert await collect(executor, f"{A1}.2") == b"on\n"
    assert executor._starter.pool._waiting == [waiting]


async def test_supervisors_that_nobody_needs_are_let_go(
    bare: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.execution.pool.LOOK", 0.05)
    executor = await bare.enter()
    await asyncio.gather(*(bare.run(executor, script(f"{A1}.{n}", "sleep 0.1")) for n in range(6)))
    pool = executor._starter.pool
    pids = [one.pid for one in pool._waiting]
    assert len(pids) > 1
    for _ in range(200):
        if len(pool._waiting) == 1 and sum(map(bool, map(linux.start_time, pids))) == 1:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("they stay")
