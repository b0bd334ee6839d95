"""Time-outs, stops and pauses reach every process, and each says what it was."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from controller.execution.ending import Ending
from controller.execution.spec import Limits
from controller.execution.status import Phase
from tests.execution.room import A1, Room, collect, eventually, processes_of, running, script, until

FAMILY = """
sleep {n} &
setsid sleep {n} &
( setsid sh -c 'sleep {n} & sleep {n}' & )
setsid env -i sleep {n} >/dev/null 2>&1 </dev/null &
trap '' TERM
echo ready
while :; do sleep {n}; done
"""


async def test_a_time_out_needs_no_daemon_and_says_so(room: Room) -> None:
    executor = await room.enter()
    await room.start(executor, script(A1, "echo begun; sleep 1000", timeout=0.5))
    await room.leave(executor)
    await asyncio.sleep(1.0)
    assert processes_of(A1) == []
    executor = await room.enter()
    status = executor.status(A1)
    assert status.end is not None
    assert (status.end.ending, status.end.exit_code) == (Ending.TIMEOUT, 143)
    assert await collect(executor, A1) == b"begun\n"


async def test_a_stop_reaches_children_that_became_daemons(room: Room) -> None:
    executor = await room.enter()
    number = f"98{os.getpid()}.7{room.groups is None:d}"
    await room.start(executor, script(A1, FAMILY.format(n=number)))
    async for chunk in executor.output(A1, follow=True):
        if b"ready" in chunk.data:
            break
    await until(lambda: len(list(running(number))) >= 5)
    status = await executor.stop(A1, grace=0.3)
    assert list(running(number)) == []
    assert status.end is not None
    assert (status.end.ending, status.end.left) == (Ending.STOP, ())
    assert status.means["stop"] == ("descent" if room.groups is None else "cgroup")


async def test_whoever_heeds_the_first_signal_has_its_grace(bare: Room) -> None:
    executor = await bare.enter()
    text = "trap 'sleep 0.3; echo tidied; exit 5' TERM; echo ready; while :; do sleep 0.05; done"
    await bare.start(executor, script(A1, text))
    await asyncio.sleep(0.3)
    status = await executor.stop(A1, grace=20)
    assert status.end is not None
    assert (status.end.ending, status.end.exit_code) == (Ending.STOP, 5)
    assert b"tidied" in await collect(executor, A1)


async def test_what_was_stopped_before_its_start_never_runs(bare: Room, tmp_path: Path) -> None:
    executor = await bare.enter()
    await executor.accept(script(A1, f"touch {tmp_path}/ran"))
    status = await executor.stop(A1)
    assert status.end is not None
    assert (status.end.ending, status.end.exit_code) == (Ending.STOP, None)
    assert (await executor.start(A1)).phase is Phase.ENDED
    assert not (tmp_path / "ran").exists()


async def test_held_processes_stand_still_and_their_time_too(room: Room, tmp_path: Path) -> None:
    executor = await room.enter()
    tick = tmp_path / "tick"
    text = f"while :; do echo x >>{tick}; sleep 0.02; done"
    await room.start(executor, script(A1, text, timeout=2.0, grace=0.2))
    await eventually(tick)
    assert (await executor.pause(A1)).phase is Phase.PAUSED
    await asyncio.sleep(0.1)
    before = tick.stat().st_size
    await asyncio.sleep(2.2)
    assert tick.stat().st_size == before
    assert (await executor.resume(A1)).phase is Phase.RUNNING
    status = await executor.wait(A1)
    assert tick.stat().st_size > before
    assert status.end is not None
    assert status.end.ending is Ending.TIMEOUT


async def test_a_pause_for_a_while_ends_by_itself(room: Room) -> None:
    executor = await room.enter()
    await room.start(executor, script(A1, "sleep 0.1; echo done"))
    began = time.monotonic()
    await executor.pause(A1, seconds=0.6)
    status = await executor.wait(A1)
    assert time.monotonic() - began > 0.5
    assert status.end is not None
    assert status.end.exit_code == 0


async def test_a_held_attempt_can_be_stopped(room: Room) -> None:
    executor = await room.enter()
    await room.start(executor, script(A1, "sleep 1000"))
    await executor.pause(A1)
    status = await executor.stop(A1, grace=5)
    assert status.end is not None
    assert (status.end.ending, processes_of(A1)) == (Ending.STOP, [])


async def test_daemons_that_outlive_the_command_are_named_and_do_not_hide_its_end(
    room: Room,
) -> None:
    executor = await room.enter()
    status = await room.run(executor, script(A1, "setsid sleep 1000 & echo gone"))
    assert status.end is not None
    assert (status.end.ending, status.end.exit_code, len(status.end.left)) == (Ending.EXIT, 0, 1)
    assert "left running" in status.end.message
    assert processes_of(A1) == list(status.end.left)


async def test_a_fork_bomb_is_held_and_then_ended(grouped: Room) -> None:
    if grouped.groups is None or "pids" not in grouped.groups.controllers:
        pytest.skip("no pids controller in the cgroup version 2 tree of this machine")
    executor = await grouped.enter()
    bomb = "f() { f | f & }; f; sleep 1000"
    await grouped.start(executor, script(A1, bomb, limits=Limits(pids=50), grace=0.1))
    await asyncio.sleep(0.5)
    status = await executor.stop(A1, grace=0.1)
    assert status.means["pids"] == "cgroup"
    assert processes_of(A1) == []


async def test_too_much_memory_is_named(grouped: Room) -> None:
    if grouped.groups is None or "memory" not in grouped.groups.controllers:
        pytest.skip("no memory controller in the cgroup version 2 tree of this machine")
    executor = await grouped.enter()
    hungry = script(A1, "head -c 300M /dev/zero | tail", limits=Limits(memory=32 << 20))
    status = await grouped.run(executor, hungry)
    assert status.end is not None
    assert (status.end.oom, "out of memory" in status.end.message) == (True, True)


async def test_memory_without_a_controller_is_limited_a_process_at_a_time(bare: Room) -> None:
    executor = await bare.enter()
    hungry = script(A1, "head -c 300M /dev/zero | tail", limits=Limits(memory=64 << 20))
    status = await bare.run(executor, hungry)
    assert b"memory" in (await collect(executor, A1)).lower()
    assert status.means["memory"] == "rlimit of each process"


async def test_a_stop_that_comes_during_the_start_is_not_lost(bare: Room) -> None:
    executor = await bare.enter()
    bare.names.append(A1)
    await executor.accept(script(A1, "sleep 1000"))
    starting = asyncio.ensure_future(executor.start(A1))
    await asyncio.sleep(0)
    status = await executor.stop(A1)
    await starting
    assert status.end is not None
    assert (status.end.ending, processes_of(A1)) == (Ending.STOP, [])


async def test_a_supervisor_that_hangs_cannot_keep_an_attempt_from_being_stopped(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.execution.steering.SLACK", -9.5)
    executor = await room.enter()
    await room.start(executor, script(A1, "setsid sleep 1000 & sleep 1000"))
    os.kill(executor._watch.get(A1).pid, signal.SIGSTOP)
    status = await executor.stop(A1, grace=0.0)
    assert (status.phase, processes_of(A1)) == (Phase.INTERRUPTED, [])
