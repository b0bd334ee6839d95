"""What limits become, what is said where the kernel has none, and what the room itself refuses."""

from dataclasses import replace

import pytest

from controller.execution.errors import FullError, RefusedError
from controller.execution.executor import Executor
from controller.execution.groups import _values
from controller.execution.spec import Limits, Spec, check
from tests.execution.room import A1, Room, script

GOOD = Spec(id="a.1", job="job", argv=("true",))


def test_each_limit_has_its_file() -> None:
    asked = _values(Limits(cpu=0.5, memory=64 << 20, pids=9, io=1 << 20), "259:0")
    assert asked == {
        "cpu": {"cpu.max": "50000 100000"},
        "memory": {"memory.max": "67108864", "memory.swap.max": "0", "memory.oom.group": "1"},
        "pids": {"pids.max": "9"},
        "io": {"io.max": "259:0 rbps=1048576 wbps=1048576"},
    }
    assert _values(Limits(io=1 << 20), None) == _values(Limits(), "259:0") == {}


async def test_a_limit_that_nothing_holds_is_named_as_such(room: Room) -> None:
    executor = await room.enter()
    limits = Limits(cpu=0.5, memory=1 << 30, pids=10_000, io=1 << 30)
    status = await room.run(executor, script(A1, "true", limits=limits))
    held = frozenset() if room.groups is None else room.groups.controllers
    for name in ("cpu", "memory", "pids", "io"):
        assert (status.means[name] == "cgroup") is (name in held)
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
