"""An attempt outlives its daemon, starts once, and its end is told by whoever comes next."""

import asyncio
import contextlib
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from controller.execution import linux
from controller.execution.ending import Ending
from controller.execution.errors import BrokenError, UnknownAttemptError
from controller.execution.exitfile import RESERVE
from controller.execution.lines import encode
from controller.execution.spec import Spec
from controller.execution.status import Phase
from controller.execution.supervisor import MESSAGE
from tests.execution.room import A1, Room, collect, eventually, processes_of, script, until

DAEMON = Path(__file__).with_name("daemon.py")
ROOT = Path(__file__).parents[2]


async def daemon(
    room: Room, name: str, text: str, *, dies: str = "-"
) -> asyncio.subprocess.Process:
    room.names.append(name)
    base = "-" if room.groups is None else room.groups.base
    return await asyncio.create_subprocess_exec(
        *(sys.executable, str(DAEMON), str(room.folder), base, name, text, dies),
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


POINTS = [
    f"{when}-{step}"
    for step in ("accepted", "hand", "started", "release", "ended")
    for when in ("before", "after")
]
NEVER_RAN = POINTS[: POINTS.index("before-release") + 1]


@pytest.mark.parametrize("point", POINTS)
async def test_whatever_step_is_a_daemons_last_its_attempt_ran_once_or_provably_never(
    room: Room, tmp_path: Path, point: str
) -> None:
    marker = tmp_path / "starts"
    text = f"echo x >>{marker}; echo said; sleep 0.1; exit 7"
    process = await daemon(room, A1, text, dies=point)
    assert process.stdout is not None
    said = await process.stdout.read()
    assert await process.wait() == -signal.SIGKILL
    executor = await room.enter()
    status = await executor.wait(A1)
    starts = marker.read_text().count("x") if marker.exists() else 0
    if point == "before-accepted":
        assert (status.phase, said, starts) == (Phase.NONE, b"up\n", 0)
        assert list((room.folder / "attempts").iterdir()) == []
        return
    assert status.end is not None
    again = await executor.accept(script(A1, text))
    assert (again.fresh, (await executor.start(A1)).phase) == (False, Phase.ENDED)
    if point in NEVER_RAN:
        assert (status.end.ending, starts, marker.exists()) == (Ending.UNSTARTED, 0, False)
        return
    assert (status.end.ending, status.end.exit_code, starts) == (Ending.EXIT, 7, 1)
    assert await collect(executor, A1) == b"said\n"


@pytest.mark.parametrize("moment", [0.0, 0.001, 0.002, 0.003, 0.005, 0.008, 0.012, 0.02])
async def test_a_supervisor_killed_at_any_moment_leaves_no_process_and_no_second_start(
    room: Room, tmp_path: Path, moment: float
) -> None:
    executor = await room.enter()
    (waiting,) = executor._starter.pool._waiting
    marker = tmp_path / "starts"
    room.names.append(A1)
    await executor.accept(script(A1, f"echo x >>{marker}; sleep 0.01; exit 7"))
    starting = asyncio.ensure_future(executor.start(A1))
    await asyncio.sleep(moment)
    os.kill(waiting.pid, signal.SIGKILL)
    await starting
    status = await executor.wait(A1)
    starts = marker.read_text().count("x") if marker.exists() else 0
    assert processes_of(A1) == []
    assert starts <= 1
    if status.phase is Phase.INTERRUPTED:
        assert "supervisor was ended" in status.message
    else:
        assert status.end is not None
        assert (status.end.ending, starts) in ((Ending.EXIT, 1), (Ending.UNSTARTED, 0))
    status = await room.run(executor, script(f"{A1}.2", "exit 4"))
    assert status.end is not None
    assert status.end.exit_code == 4


async def test_a_supervisor_killed_before_it_may_begin_leaves_proof_that_nothing_ran(
    room: Room, tmp_path: Path
) -> None:
    executor = await room.enter()
    (waiting,) = executor._starter.pool._waiting
    os.kill(waiting.pid, signal.SIGSTOP)
    room.names.append(A1)
    await executor.accept(script(A1, f"touch {tmp_path}/ran"))
    starting = asyncio.ensure_future(executor.start(A1))
    await asyncio.sleep(0.05)
    os.kill(waiting.pid, signal.SIGKILL)
    status = await starting
    assert status.end is not None
    assert status.end.ending is Ending.UNSTARTED
    assert "its supervisor was ended" in status.end.message
    assert not (tmp_path / "ran").exists()


async def test_a_supervisor_that_takes_one_attempt_after_the_other_is_taken_for_none_of_the_past(
    room: Room,
) -> None:
    executor = await room.enter()
    ends = [await room.run(executor, script(f"{A1}.{n}", f"exit {n}")) for n in range(3)]
    await room.start(executor, script(A1, "echo begun; sleep 1000"))
    entries = executor._register.ledger.known.values()
    assert len({entry["pid"] for entry in entries}) == 1
    await room.leave(executor)
    lines = (room.folder / "ledger").read_bytes().rstrip(b"\0").splitlines(keepends=True)
    kept = [line for line in lines if b'"ended"' not in line]  # as if killed before it wrote them
    (room.folder / "ledger").write_bytes(b"".join(kept))
    executor = await room.enter()
    again = [executor.status(f"{A1}.{n}") for n in range(3)]
    assert [one.end for one in again] == [one.end for one in ends]
    assert executor.status(A1).phase is Phase.RUNNING
    supervisor = executor._watch.get(A1).pid
    status = await executor.stop(A1)
    assert status.end is not None
    assert (status.end.ending, processes_of(A1)) == (Ending.STOP, [])
    await until(lambda: linux.start_time(supervisor) is None)


async def test_whoever_leaves_something_running_takes_no_other_attempt(room: Room) -> None:
    executor = await room.enter()
    status = await room.run(executor, script(A1, "setsid sleep 1000 & exit 0"))
    assert status.end is not None
    assert len(status.end.left) == 1
    await room.run(executor, script(f"{A1}.2", "true"))
    known = executor._register.ledger.known
    assert known[A1]["pid"] != known[f"{A1}.2"]["pid"]


async def test_nothing_of_an_attempt_reaches_the_next_one_of_its_supervisor(bare: Room) -> None:
    executor = await bare.enter()
    first = script(A1, "umask; pwd; env", env={"SECRET": "s3cret"}, umask=0o077)
    await bare.run(executor, replace(first, workdir="/usr"))
    status = await bare.run(executor, script(f"{A1}.2", "umask; pwd; env; ls /proc/self/fd; cat"))
    known = executor._register.ledger.known
    assert known[A1]["pid"] == known[f"{A1}.2"]["pid"]
    assert (await collect(executor, A1)).split()[:2] == [b"0077", b"/usr"]
    said = await collect(executor, f"{A1}.2")
    assert said.split()[:2] == [b"0022", b"/"]
    assert b"s3cret" not in said
    assert said.split()[-5:] == [b"0", b"1", b"100", b"2", b"3"]
    assert status.end is not None


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


def test_the_longest_record_of_an_end_fits_into_what_is_reserved_for_it() -> None:
    record = {
        "ending": "unstarted",
        "exit_code": 255,
        "message": "\0" * MESSAGE,
        "oom": False,
        "left": [2**22] * 64,
        "at": 1795345275.7333586,
        "length": 2**63,
        "sha256": "0" * 64,
        "kept": 2**63,
        "lost": 2**63,
    }
    assert len(encode(record)) < RESERVE
