"""An attempt outlives its daemon, starts once, and its end is told by whoever comes next."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import pytest

from controller.execution import linux
from controller.execution.ending import Ending
from controller.execution.errors import BrokenError, UnknownAttemptError
from controller.execution.lines import encode
from controller.execution.spec import Spec
from controller.execution.status import Phase
from tests.execution.room import A1, Room, collect, eventually, processes_of, script, until

DAEMON = Path(__file__).with_name("daemon.py")
ROOT = Path(__file__).parents[2]


async def daemon(room: Room, name: str, text: str) -> asyncio.subprocess.Process:
    room.names.append(name)
    base = "-" if room.groups is None else room.groups.base
    return await asyncio.create_subprocess_exec(
        *(sys.executable, str(DAEMON), str(room.folder), base, name, text),
        stdout=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": str(ROOT)},
    )


async def line(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    return (await process.stdout.readline()).strip()


@pytest.mark.parametrize("moment", [0.0, 0.001, 0.003, 0.006, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1])
async def test_a_daemon_killed_at_any_moment_leaves_one_start_and_the_whole_truth(
    room: Room, tmp_path: Path, moment: float
) -> None:
    marker = tmp_path / "starts"
    text = f"echo x >>{marker}; i=0; while [ $i -lt 40 ]; do echo line $i; i=$((i+1)); sleep 0.005; done; exit 7"
    process = await daemon(room, A1, text)
    assert await line(process) == b"up"
    await asyncio.sleep(moment)
    process.kill()
    said = await process.stdout.read() if process.stdout is not None else b""
    await process.wait()
    executor = await room.enter()
    status = await executor.wait(A1)
    starts = marker.read_text().count("x") if marker.exists() else 0
    if status.phase is Phase.NONE:
        assert (said, starts) == (b"", 0)
        return
    assert status.end is not None
    if status.end.ending is Ending.UNSTARTED:
        assert (b"started" in said, starts) == (False, 0)
        return
    assert (status.end.ending, status.end.exit_code, starts) == (Ending.EXIT, 7, 1)
    assert await collect(executor, A1) == b"".join(b"line %d\n" % i for i in range(40))
    again = await executor.accept(script(A1, text))
    assert (again.fresh, again.phase) == (False, Phase.ENDED)
    await executor.start(A1)
    assert marker.read_text().count("x") == 1


async def test_two_accepts_at_once_are_one(bare: Room, tmp_path: Path) -> None:
    executor = await bare.enter()
    spec = script(A1, f"echo x >>{tmp_path}/starts")
    answers = await asyncio.gather(*(executor.accept(spec) for _ in range(8)))
    assert sum(answer.fresh for answer in answers) == 1
    await asyncio.gather(*(executor.start(A1) for _ in range(8)))
    await executor.wait(A1)
    assert (tmp_path / "starts").read_text() == "x\n"


async def test_a_running_attempt_is_taken_up_again_and_can_be_stopped(room: Room) -> None:
    executor = await room.enter()
    await room.start(executor, script(A1, "echo begun; sleep 1000"))
    await room.leave(executor)
    executor = await room.enter()
    assert executor.status(A1).phase is Phase.RUNNING
    status = await executor.stop(A1)
    assert status.end is not None
    assert (status.end.ending, processes_of(A1)) == (Ending.STOP, [])


async def test_two_daemons_cannot_have_one_folder(bare: Room) -> None:
    await bare.enter()
    with pytest.raises(BrokenError, match="another agent"):
        await bare.enter()


async def test_a_killed_supervisor_is_an_interruption_and_nothing_runs_on(room: Room) -> None:
    executor = await room.enter()
    await room.start(executor, script(A1, "setsid sleep 1000 & sleep 1000"))
    supervisor = executor._watch.get(A1).pid
    await until(lambda: len(processes_of(A1)) >= 3)
    os.kill(supervisor, signal.SIGKILL)
    status = await executor.wait(A1)
    assert (status.phase, processes_of(A1)) == (Phase.INTERRUPTED, [])


async def test_a_supervisor_killed_while_no_daemon_looks_is_an_interruption_too(room: Room) -> None:
    executor = await room.enter()
    await room.start(executor, script(A1, "sleep 1000"))
    supervisor = executor._watch.get(A1).pid
    await room.leave(executor)
    os.kill(supervisor, signal.SIGKILL)
    await until(lambda: linux.start_time(supervisor) is None)
    executor = await room.enter()
    assert (executor.status(A1).phase, processes_of(A1)) == (Phase.INTERRUPTED, [])


async def forge(room: Room, change: dict[str, object]) -> None:
    """Leave a room whose ledger says that an attempt runs under another number, start time or boot."""
    executor = await room.enter()
    await room.leave(executor)
    started = {
        "id": A1,
        "event": "started",
        "boot": linux.boot_id(),
        "pid": os.getpid(),
        "group": None,
        "start": linux.start_time(os.getpid()),
        "means": {},
        **change,
    }
    (room.folder / "attempts" / A1).mkdir()
    accepted = {"id": A1, "event": "accepted", "job": "job", "head": 0, "boot": started["boot"]}
    (room.folder / "ledger").write_bytes(encode(accepted) + encode(started))


async def test_a_number_that_is_somebody_elses_now_is_not_taken_for_the_supervisor(
    bare: Room,
) -> None:
    await forge(bare, {"start": 1})
    executor = await bare.enter()
    assert executor.status(A1).phase is Phase.INTERRUPTED


async def test_a_reboot_is_an_interruption_even_if_number_and_start_time_are_the_same(
    bare: Room,
) -> None:
    await forge(bare, {"boot": "00000000-0000-0000-0000-000000000000"})
    executor = await bare.enter()
    assert executor.status(A1).phase is Phase.INTERRUPTED
    assert (await executor.accept(script(A1, "true"))).phase is Phase.INTERRUPTED


async def test_what_is_discarded_is_gone_but_never_starts_again(bare: Room) -> None:
    executor = await bare.enter()
    await bare.run(executor, script(A1, "echo x; exit 2"))
    await executor.discard([A1], job="job")
    assert (
        list((bare.folder / "attempts").iterdir()) == list((bare.folder / "jobs").iterdir()) == []
    )
    with pytest.raises(UnknownAttemptError):
        await collect(executor, A1)
    await bare.leave(executor)
    executor = await bare.enter()
    assert not (await executor.accept(script(A1, "echo x"))).fresh
    status = await executor.start(A1)
    assert status.phase is Phase.ENDED
    assert status.end is not None
    assert status.end.exit_code == 2


async def test_what_is_withdrawn_never_starts(bare: Room) -> None:
    executor = await bare.enter()
    await executor.accept(script(A1, "echo x"))
    assert executor.supervisor(A1) is None
    for status in (await executor.withdraw(A1, "too late"), await executor.start(A1)):
        assert status.end is not None
        assert (status.end.ending, status.end.message) == (Ending.UNSTARTED, "too late")


async def test_a_nursery_that_was_killed_is_replaced(bare: Room) -> None:
    executor = await bare.enter()
    assert executor._starter.pool._spawner._process is not None
    executor._starter.pool._spawner._process.kill()
    executor._starter.pool._spawner._process.wait()
    status = await bare.run(executor, script(A1, "echo on"))
    assert status.end is not None
    assert status.end.exit_code == 0


async def test_many_at_once_all_end_with_their_own_code(room: Room) -> None:
    executor = await room.enter()
    specs = [
        Spec(id=f"{A1}.{n}", job="job", argv=("sh", "-c", f"exit {n}"), workdir="/")
        for n in range(40)
    ]
    ends = await asyncio.gather(*(room.run(executor, spec) for spec in specs))
    assert [end.end.exit_code for end in ends if end.end is not None] == list(range(40))
    assert not (room.folder / "trouble").exists()


async def test_a_wait_that_is_cancelled_leaves_the_work_alone(bare: Room, tmp_path: Path) -> None:
    executor = await bare.enter()
    await bare.start(executor, script(A1, f"sleep 0.3; echo done >{tmp_path}/done"))
    waiting = asyncio.ensure_future(executor.wait(A1))
    await asyncio.sleep(0.05)
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting
    assert await eventually(tmp_path / "done") == "done\n"
