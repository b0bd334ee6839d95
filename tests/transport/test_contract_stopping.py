"""The carrier port's promises about stopping and time-outs, on every carrier."""

import asyncio
import secrets
import time

import pytest

from controller.transport.port import Ending, Phase
from tests.fakes import processes
from tests.transport.way import Way, output_of

pytestmark = pytest.mark.real
STUBBORN = "trap '' TERM; echo deaf; while :; do sleep 0.1; done"
FAMILY = f"""
sh -c "{STUBBORN.replace('"', "")}" &
setsid sh -c 'trap "" TERM; sleep 60; sleep 60' &
setsid sleep 60 &
(sleep 60; sleep 60) &
echo born
wait
"""


async def test_stop_ends_every_process_of_the_tree(every_way: Way) -> None:
    session = await every_way.open()
    spec = every_way.spec(FAMILY)
    await session.start(spec)
    await processes.until(lambda: len(every_way.running()) >= 6)
    family = every_way.running()
    async with asyncio.timeout(10):
        stopped = await session.stop(spec.id, grace=0.5)
    assert (stopped.phase, stopped.ending) == (Phase.ENDED, Ending.STOP)
    assert stopped.incomplete == ""
    assert [pid for pid in family if processes.alive(pid)] == []
    assert every_way.running() == []


async def test_work_may_tidy_up_within_its_grace(every_way: Way) -> None:
    session = await every_way.open()
    spec = every_way.spec("trap 'echo tidied; exit 0' TERM; echo up; while :; do sleep 0.1; done")
    await session.start(spec)
    await processes.until(every_way.running)
    await asyncio.sleep(0.3)
    stopped = await session.stop(spec.id, grace=5)
    assert stopped.ending is Ending.STOP
    assert (await output_of(session, spec.id)).endswith(b"tidied\n")


async def test_who_waits_learns_of_the_stop(way: Way) -> None:
    session, other = await way.open(), await way.open()
    spec = way.spec("sleep 60")
    await session.start(spec)
    waiting = asyncio.create_task(session.wait(spec.id))
    await processes.until(way.running)
    stopped = await other.stop(spec.id, grace=1)
    assert stopped.ending is Ending.STOP
    assert (await asyncio.wait_for(waiting, 5)).ending is Ending.STOP


async def test_stops_at_the_same_time_agree(way: Way) -> None:
    sessions = [await way.open() for _ in range(3)]
    spec = way.spec(STUBBORN)
    await sessions[0].start(spec)
    await processes.until(way.running)
    stops = await asyncio.gather(*(one.stop(spec.id, grace=0.3) for one in sessions))
    assert {one.ending for one in stops} == {Ending.STOP}
    assert way.running() == []


async def test_a_stop_right_after_the_start_reaches_the_work(every_way: Way) -> None:
    session = await every_way.open()
    for _ in range(5):
        spec = every_way.spec("sleep 60")
        await session.start(spec)
        async with asyncio.timeout(10):
            assert (await session.stop(spec.id, grace=1)).ending is Ending.STOP
    assert every_way.running() == []


async def test_a_stop_of_ended_work_changes_nothing(way: Way) -> None:
    ended, _ = await way.run("exit 3")
    stopped = await (await way.open()).stop(ended.id)
    assert (stopped.ending, stopped.exit_code) == (Ending.EXIT, 3)


async def test_the_time_out_fires_on_the_server_while_nobody_looks(every_way: Way) -> None:
    session = await every_way.open()
    spec = every_way.spec(FAMILY, timeout=1.0, grace=0.3)
    await session.start(spec)
    await processes.until(lambda: len(every_way.running()) >= 6)
    await every_way.dialers[0].close()
    every_way.cut()
    begun = time.monotonic()
    await processes.until(lambda: not every_way.running())
    assert time.monotonic() - begun < 6
    ended = await (await every_way.open()).wait(spec.id)
    assert (ended.phase, ended.ending) == (Phase.ENDED, Ending.TIMEOUT)


async def test_work_within_its_time_is_not_a_time_out(way: Way) -> None:
    ended, _ = await way.run("sleep 0.2; exit 124", timeout=5)
    assert (ended.ending, ended.exit_code) == (Ending.EXIT, 124)


async def test_attempts_leave_no_process_behind(every_way: Way) -> None:
    session = await every_way.open()
    seconds = 70_000 + secrets.randbelow(9_000)
    specs = [every_way.spec("true", timeout=float(seconds)) for _ in range(60)]
    await asyncio.gather(*(session.start(spec) for spec in specs))
    await asyncio.gather(*(session.wait(spec.id) for spec in specs))
    watch = f"sleep\0{seconds}\0".encode()
    await processes.until(lambda: watch not in processes.arguments(), seconds=5)
