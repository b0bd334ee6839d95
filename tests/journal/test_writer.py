"""The one writer: who waits together is written together, and nobody is told of a line that does not stand."""

import asyncio
import contextlib
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from controller.errors import StateError
from controller.journal.log import Log
from controller.journal.writer import GROUP
from tests.fakes.clocks import FakeClock
from tests.journal.disks import counted_flushes, full, worn_out

CALLERS = 64
LINES = 5


def a_log(folder: Path) -> Log:
    return Log(folder, "activity", clock=FakeClock())


async def call(log: Log, name: str, lines: int = LINES) -> None:
    for number in range(lines):
        await log.append("job-ended", name, number=number)


def judge(log: Log, callers: int) -> None:
    """Hold that each line of each caller stands once, in its order, in one chain."""
    assert log.verify() == ()
    lines = log.tail(10_000)
    assert len(lines) == callers * LINES
    for caller in range(callers):
        mine = [line.fields["number"] for line in lines if line.actor == f"caller-{caller}"]
        assert mine == list(range(LINES))


async def test_who_waits_together_shares_a_flush(tmp_path: Path) -> None:
    log = a_log(tmp_path)
    with counted_flushes() as flushes:
        await asyncio.gather(*(call(log, f"caller-{number}") for number in range(CALLERS)))
    judge(log, CALLERS)
    assert len(flushes) < CALLERS * LINES / 4


async def test_more_lines_than_one_flush_takes_are_written_in_several(tmp_path: Path) -> None:
    log = a_log(tmp_path)
    await asyncio.gather(*(log.append("job-ended", "x") for _ in range(2 * GROUP + 50)))
    assert [line.seq for line in log.tail(1000)] == list(range(1, 2 * GROUP + 51))
    assert log.verify() == ()


def test_one_log_serves_the_loops_of_several_threads(tmp_path: Path) -> None:
    log = a_log(tmp_path)

    async def half(first: int) -> None:
        await asyncio.gather(*(call(log, f"caller-{first + number}") for number in range(16)))

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda first: asyncio.run(half(first)), (0, 16)))
    judge(log, 32)


async def test_what_has_no_room_is_refused_to_each_and_what_was_told_stands(tmp_path: Path) -> None:
    log = a_log(tmp_path)
    await log.append("job-ended", "first")
    path = tmp_path / "activity-2026.log"
    with full(path, room=3 * path.stat().st_size):
        told = await asyncio.gather(
            *(log.append("job-ended", f"caller-{number}") for number in range(20)),
            return_exceptions=True,
        )
    assert {type(one) for one in told} == {type(None), StateError}
    assert all("cannot write the activity log" in str(one) for one in told if one is not None)
    stand = [f"caller-{number}" for number, one in enumerate(told) if one is None]
    assert [line.actor for line in log.tail(100)] == ["first", *stand]
    assert log.verify() == ()


async def test_all_that_is_owed_is_written_once_and_before_any_other(tmp_path: Path) -> None:
    log = a_log(tmp_path)
    await log.append("run-submitting", "first")
    path = tmp_path / "activity-2026.log"
    with full(path):
        for number in range(20):
            with pytest.raises(StateError):
                await log.conclude("run-submitted", f"caller-{number}")
    with full(path, room=len(path.read_bytes()) * 5), contextlib.suppress(StateError):
        await log.append("run-submitting", "never")
    assert 1 < len(log.tail(100)) < 20
    await asyncio.gather(*(log.append("run-submitting", f"later-{number}") for number in range(3)))
    owed = [f"caller-{number}" for number in range(20)]
    assert [line.actor for line in log.tail(100)] == [
        "first",
        *owed,
        "later-0",
        "later-1",
        "later-2",
    ]
    assert log.verify() == ()


async def test_a_disk_that_does_not_flush_is_told_to_each_and_for_good(tmp_path: Path) -> None:
    log = a_log(tmp_path)
    await log.append("job-ended", "first")
    with worn_out():
        told = await asyncio.gather(
            *(log.conclude("job-ended", "x") for _ in range(20)), return_exceptions=True
        )
    assert {type(one) for one in told} == {StateError}
    with pytest.raises(StateError, match="Input/output error"):
        await log.append("job-ended", "after")


async def test_a_caller_that_goes_has_its_line_written_once_and_holds_nobody_up(
    tmp_path: Path,
) -> None:
    log = a_log(tmp_path)
    going = [asyncio.create_task(log.append("gone", "x", number=number)) for number in range(20)]
    await asyncio.sleep(0)
    for task in going:
        task.cancel()
    await asyncio.gather(*going, return_exceptions=True)
    await log.append("stayed", "x")
    numbers = [line.fields.get("number") for line in log.tail(100)]
    assert numbers == [*range(20), None]
    assert log.verify() == ()


def test_what_is_asked_last_is_written_before_the_loop_is_gone(tmp_path: Path) -> None:
    log = a_log(tmp_path)

    async def leave() -> None:
        task = asyncio.create_task(log.append("last", "x"))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(leave())
    assert [line.event for line in log.tail()] == ["last"]


KILLED = """
import asyncio, itertools, os, sys
from pathlib import Path
from controller.clock import SystemClock
from controller.journal.log import Log

async def main():
    log = Log(Path(sys.argv[1]), "activity", clock=SystemClock())
    async def caller(name):
        for number in itertools.count():
            await log.append("e", name, number=number)
            os.write(1, f"{name} {number}\\n".encode())
    await asyncio.gather(*(caller(f"{sys.argv[2]}-{number}") for number in range(16)))

asyncio.run(main())
"""


@pytest.mark.real
def test_what_a_killed_process_was_told_stands_once(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    rng = random.Random(7)  # noqa: S311  # a test is to be repeated
    log, told = a_log(folder), Counter[tuple[str, int]]()
    for life in range(3):
        said = tmp_path / f"said-{life}"
        with said.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-c", KILLED, str(folder), f"life-{life}"], stdout=file
            )
            while not said.stat().st_size and process.poll() is None:
                time.sleep(0.01)
            time.sleep(rng.uniform(0, 0.1))
            process.kill()
            assert process.wait() == -signal.SIGKILL
        told.update(
            (name, int(number)) for name, number in map(str.split, said.read_text().splitlines())
        )
    asyncio.run(log.append("after", "ops@example.com", number=0))
    assert not any(finding.broken for finding in log.verify())
    stand = Counter((line.actor, line.fields.get("number")) for line in log.tail(100_000))
    assert max(stand.values()) == 1
    assert told
    assert not [one for one in told if one not in stand]
