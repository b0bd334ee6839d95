"""The carrier port's promises when something dies, on every carrier."""

import asyncio
import signal
from pathlib import Path

import pytest

from controller.errors import SessionLostError, Unreachable
from controller.transport.port import Ending, Phase, Session
from tests.fakes import processes
from tests.transport.way import Way, output_of

pytestmark = pytest.mark.real
SLOW = "for n in 1 2 3 4 5 6 7 8 9 10; do echo line $n; while [ $n = 3 -a ! -e {go} ]; do sleep 0.05; done; done; exit 9"
LEDGER = "an agent knows this from its ledger: tests of execution hold it to that"
LINES = b"".join(b"line %d\n" % n for n in range(1, 11))


async def gather(session: Session, spec_id: str, seen: bytearray) -> None:
    """Follow an attempt's output into `seen`."""
    async for chunk in session.output(spec_id, offset=len(seen), follow=True):  # type: ignore[arg-type]
        assert (chunk.offset, chunk.gap) == (len(seen), 0)
        seen += chunk.data


async def test_a_cut_line_loses_nothing(every_way: Way, tmp_path: Path) -> None:
    session = await every_way.open()
    go = tmp_path / "go"  # until then it cannot end, however busy the machine
    spec = every_way.spec(SLOW.format(go=go))
    await session.start(spec)
    seen = bytearray()
    following = asyncio.create_task(gather(session, spec.id, seen))
    waiting = asyncio.create_task(session.wait(spec.id))
    await processes.until(lambda: b"line 2" in seen)
    every_way.cut()
    for task in (following, waiting):
        with pytest.raises(SessionLostError) as caught:
            await asyncio.wait_for(task, 10)
        assert caught.value.cause is Unreachable.LOST
    assert len(seen) < len(LINES)
    fresh = await every_way.open()
    assert (await fresh.status(spec.id)).phase is Phase.RUNNING
    go.touch()
    await gather(fresh, spec.id, seen)
    assert (await fresh.wait(spec.id)).exit_code == 9
    assert bytes(seen) == LINES


async def test_a_line_that_is_cut_again_and_again_loses_nothing(way: Way) -> None:
    session = await way.open()
    spec = way.spec("seq 1 400000; sleep 1; seq 1 400000; exit 8")
    await session.start(spec)
    seen = bytearray()
    for _ in range(4):
        mark = len(seen) + 300_000
        following = asyncio.create_task(gather(session, spec.id, seen))
        await processes.until(lambda: len(seen) >= mark or following.done())  # noqa: B023
        way.cut()
        await asyncio.wait({following})
        session = await way.open()
    await gather(session, spec.id, seen)
    ended = await session.wait(spec.id)
    assert (ended.exit_code, ended.length) == (8, len(seen))
    numbers = b"".join(b"%d\n" % n for n in range(1, 400_001))
    assert bytes(seen) == numbers * 2


async def test_the_same_dialer_reaches_the_server_again(way: Way) -> None:
    session = await way.open()
    spec = way.spec("sleep 0.5; exit 4")
    await session.start(spec)
    way.cut()
    with pytest.raises(SessionLostError):
        await session.wait(spec.id)
    again = await way.dialers[0].open(way.server)
    assert again is not session
    assert (await again.wait(spec.id)).exit_code == 4


async def test_a_start_whose_answer_was_lost_is_not_done_twice(way: Way, tmp_path: Path) -> None:
    session = await way.open()
    spec = way.spec(f"echo once >> {tmp_path}/count; sleep 0.3")
    starting = asyncio.create_task(session.start(spec))
    await processes.until((tmp_path / "count").exists)
    way.cut()
    await asyncio.wait({starting})
    fresh = await way.open()
    assert not (await fresh.start(spec)).fresh
    assert (await fresh.wait(spec.id)).exit_code == 0
    assert (tmp_path / "count").read_text() == "once\n"


async def test_work_outlives_its_session_and_dialer(every_way: Way) -> None:
    session = await every_way.open()
    spec = every_way.spec("sleep 0.6; echo late; exit 2")
    await session.start(spec)
    await every_way.dialers[0].close()
    fresh = await every_way.open()
    assert (await fresh.wait(spec.id)).exit_code == 2
    assert await output_of(fresh, spec.id) == b"late\n"


async def test_who_gives_a_session_back_takes_it_from_nobody_else(way: Way) -> None:
    mine = await way.open()
    yours = await way.dialers[0].open(way.server)
    spec = way.spec("sleep 0.4; exit 3")
    await yours.start(spec)
    waiting = asyncio.create_task(yours.wait(spec.id))
    await asyncio.sleep(0.05)
    await mine.close()
    assert (await waiting).exit_code == 3
    assert (await yours.status(spec.id)).exit_code == 3


async def test_who_stops_waiting_does_not_stop_the_work(way: Way) -> None:
    session = await way.open()
    spec = way.spec("sleep 0.5; exit 6")
    await session.start(spec)
    for call in (session.wait(spec.id), gather(session, spec.id, bytearray())):
        task = asyncio.create_task(call)
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
    assert (await session.wait(spec.id)).exit_code == 6


async def test_a_cancelled_start_is_whole_or_not_at_all(way: Way, tmp_path: Path) -> None:
    session = await way.open()
    for number in range(12):
        spec = way.spec(f"echo {number} >> {tmp_path}/count", stdin=b"x" * 100_000)
        task = asyncio.create_task(session.start(spec))
        await asyncio.sleep(number * 0.002)
        task.cancel()
        await asyncio.wait({task})
        await session.start(spec)
        assert (await session.wait(spec.id)).exit_code == 0
    counted = sorted(int(line) for line in (tmp_path / "count").read_text().split())
    assert counted == list(range(12))


async def test_another_boot_interrupts_what_ran_before(every_way: Way) -> None:
    if every_way.of_agent:
        pytest.skip(LEDGER)
    session = await every_way.open()
    spec = every_way.spec("sleep 20")
    await session.start(spec)
    await processes.until(every_way.running)
    claim = every_way.folder(spec.id) / "claim"
    claim.write_text(claim.read_text().replace(session.facts.boot_id, "of-another-boot"))
    fresh = await every_way.open()
    assert (await fresh.status(spec.id)).phase is Phase.INTERRUPTED
    assert (await fresh.wait(spec.id)).phase is Phase.INTERRUPTED
    again = await fresh.start(spec)
    assert (again.fresh, again.phase) == (False, Phase.INTERRUPTED)


async def test_an_end_that_was_recorded_survives_a_boot(way: Way) -> None:
    if way.of_agent:
        pytest.skip(LEDGER)
    ended, _ = await way.run("exit 5")
    claim = way.folder(ended.id) / "claim"
    boot = (await way.open()).facts.boot_id
    claim.write_text(claim.read_text().replace(boot, "of-another-boot"))
    assert (await (await way.open()).status(ended.id)).exit_code == 5


async def test_a_killed_supervisor_is_an_interruption(every_way: Way) -> None:
    if every_way.of_agent:
        pytest.skip(LEDGER)
    session = await every_way.open()
    spec = every_way.spec("sleep 20")
    await session.start(spec)
    await processes.until(every_way.running)
    work = every_way.running()[0]
    leader = int(processes.fields_of(work)[1])
    pump = int((every_way.folder(spec.id) / "pid").read_text().split()[0])
    watch = [pid for pid in processes.below(leader) if pid not in every_way.running()]
    for pid in (leader, pump, *watch):
        processes.send(pid, signal.SIGKILL)
    async with asyncio.timeout(15):
        fresh = await every_way.open()
        assert (await fresh.wait(spec.id)).phase is Phase.INTERRUPTED


async def test_a_lost_session_says_so_to_whoever_asks(way: Way) -> None:
    session = await way.open()
    way.cut()
    spec = way.spec("true")
    with pytest.raises(SessionLostError):
        await asyncio.wait_for(session.start(spec), 10)
    with pytest.raises(SessionLostError):
        await asyncio.wait_for(session.status(spec.id), 10)
    ended, _ = await way.run("exit 3")
    assert (ended.ending, ended.exit_code) == (Ending.EXIT, 3)
