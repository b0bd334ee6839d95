"""What limits become, what is said where the kernel has none, and what the room itself refuses."""

from dataclasses import replace
from pathlib import Path

import pytest

from controller.execution import linux
from controller.execution.errors import FullError, NoLimitsError, RefusedError
from controller.execution.executor import Executor
from controller.execution.groups import Groups
from controller.execution.holding import hold
from controller.execution.login import Login
from controller.execution.spec import Limits, Spec, check
from controller.execution.status import Phase
from tests.execution.room import A1, Room, script

GOOD = Spec(id="a.1", job="job", argv=("true",))


ALL = Limits(cpu=0.5, memory=64 << 20, pids=9, io=1 << 20)
ROOT = Login("root", 0, 0, (), "/", "/bin/sh", switch=False)
OTHER = replace(ROOT, name="other", uid=1000, switch=True)


def groups_with(folder: Path, *controllers: str) -> Groups:
    """Groups as on a machine whose kernel has these controllers."""
    (folder / "cgroup.subtree_control").touch()
    groups = Groups(str(folder))
    groups.controllers = frozenset(controllers)
    return groups


def test_each_limit_has_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linux, "disk_of", lambda path: "259:0" if path == "/jobs" else None)
    held = hold(
        ALL,
        groups_with(tmp_path, "cpu", "memory", "pids", "io"),
        login=ROOT,
        jobs=Path("/jobs"),
    )
    assert held.files == {
        "cpu.max": "50000 100000",
        "memory.max": "67108864",
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "pids.max": "9",
        "io.max": "259:0 rbps=1048576 wbps=1048576",
    }
    assert held.rlimits == {}
    assert set(held.means.values()) == {"cgroup"}


def test_the_disk_of_a_folder_is_a_whole_disk(tmp_path: Path) -> None:
    disk = linux.disk_of(str(tmp_path))
    if disk is None:
        pytest.skip("the folder of this test lies on no disk")
    assert Path(f"/sys/dev/block/{disk}").exists()
    assert not Path(f"/sys/dev/block/{disk}/partition").exists()


def test_without_controllers_rlimits_hold_what_they_can_and_it_is_said(tmp_path: Path) -> None:
    held = hold(Limits(memory=64 << 20, pids=9), None, login=OTHER, jobs=tmp_path)
    assert (held.files, held.rlimits) == ({}, {"RLIMIT_AS": 64 << 20, "RLIMIT_NPROC": 9})
    assert (held.means["memory"], held.means["pids"]) == (
        "rlimit of each process",
        "rlimit of the user",
    )


@pytest.mark.parametrize(
    ("limits", "login", "word"),
    [
        (Limits(cpu=0.5), OTHER, "cpu"),
        (Limits(pids=9), ROOT, "pids"),  # the kernel holds root to no number
        (Limits(io=1 << 20), OTHER, "io"),
    ],
)
def test_a_limit_that_nothing_holds_is_refused(
    tmp_path: Path, limits: Limits, login: Login, word: str
) -> None:
    for groups in (None, groups_with(tmp_path, "memory")):
        with pytest.raises(NoLimitsError, match=f"cannot limit {word}"):
            hold(limits, groups, login=login, jobs=tmp_path)


def test_io_is_limited_on_a_disk_or_not_at_all(tmp_path: Path) -> None:
    shared = Path("/dev/shm")
    if linux.disk_of(str(shared)) is not None:
        pytest.skip("no folder without a disk here")
    with pytest.raises(NoLimitsError, match="no disk of its own"):
        hold(Limits(io=1 << 20), groups_with(tmp_path, "io"), login=ROOT, jobs=shared)


async def test_what_cannot_be_limited_is_never_accepted(room: Room) -> None:
    executor = await room.enter()
    held = frozenset() if room.groups is None else room.groups.controllers
    if "cpu" in held:
        pytest.skip("this machine can limit it")
    with pytest.raises(NoLimitsError, match="no cgroup controller cpu"):
        await executor.accept(script(A1, "true", limits=Limits(cpu=0.5)))
    assert executor.status(A1).phase is Phase.NONE
    assert NoLimitsError.reference == "no-limits"


async def test_a_limit_that_is_held_is_named_with_its_means(room: Room) -> None:
    executor = await room.enter()
    status = await room.run(executor, script(A1, "true", limits=Limits(memory=1 << 30)))
    assert status.means["memory"] in ("cgroup", "rlimit of each process")
    assert status.end is not None
    assert status.end.exit_code == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"argv": ()},
        {"env": {"A=B": ""}},
        {"env": {"CTL_OUTPUT": "/etc/passwd"}},
        {"env": {"A": "x" * (128 << 10)}},
        {"argv": ("a\0b",)},
        {"timeout": -1.0},
        {"timeout": float("nan")},
        {"grace": float("inf")},
        {"tail": 1 << 40},
        {"umask": 0o1777},
        {"limits": Limits(pids=0)},
        {"stream": True, "stdin": b"x"},
        {"text": b"x" * ((4 << 20) + 1)},
    ],
)
def test_what_can_never_run_as_asked_is_refused(wrong: dict[str, object]) -> None:
    check(GOOD)
    with pytest.raises(RefusedError):
        check(replace(GOOD, **wrong))  # type: ignore[arg-type] # that is the point


async def test_a_full_room_refuses_and_takes_again_what_is_freed(bare: Room) -> None:
    executor = Executor(bare.folder, most=2, kept=3)
    await executor.recover()
    bare.open.append(executor)
    for n in range(2):
        await executor.accept(replace(GOOD, id=f"{A1}.{n}"))
    with pytest.raises(FullError, match="2 attempts are open"):
        await executor.accept(replace(GOOD, id=f"{A1}.2"))
    assert not (await executor.accept(replace(GOOD, id=f"{A1}.0"))).fresh
    await executor.stop(f"{A1}.0")
    await executor.accept(replace(GOOD, id=f"{A1}.2"))
    await executor.stop(f"{A1}.1")
    with pytest.raises(FullError, match="wait to be discarded"):
        await executor.accept(replace(GOOD, id=f"{A1}.3"))
    await executor.discard([f"{A1}.0"])
    assert (await executor.accept(replace(GOOD, id=f"{A1}.3"))).fresh
