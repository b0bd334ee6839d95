"""The contract: attempts are held and go on, whatever the way; their time-out waits."""

import asyncio
from pathlib import Path

import pytest

from controller.errors import NeedsAgentError, RefusedError
from controller.transport.port import Ending, Offer, Phase
from tests.fakes import processes
from tests.transport.way import Way

COUNT = 'i=0; while :; do i=$((i + 1)); echo "$i" > {file}; sleep 0.02; done & sleep 30'


async def beats(file: Path, seconds: float = 0.3) -> bool:
    """Say whether a counter moves."""
    before = count(file)
    await asyncio.sleep(seconds)
    return count(file) != before


def count(file: Path) -> str:
    return file.read_text() if file.exists() else ""


async def test_a_held_attempt_stands_still_until_it_is_let_go(
    every_way: Way, tmp_path: Path
) -> None:
    session = await every_way.open()
    assert Offer.PAUSE in session.facts.offers
    file = tmp_path / "count"
    spec = every_way.spec(COUNT.format(file=file), workdir="/")
    await session.start(spec)
    await processes.until(lambda: count(file) != "")
    held = await session.pause(spec.id)
    assert (held.phase, held.paused) == (Phase.RUNNING, True)
    assert "cgroup" in held.means or "signals" in held.means
    await asyncio.sleep(0.05)
    assert not await beats(file)
    other = await every_way.open()
    assert (await other.status(spec.id)).paused
    assert not (await other.resume(spec.id)).paused
    assert await beats(file)
    assert not (await session.resume(spec.id)).paused
    assert (await session.stop(spec.id, grace=0.3)).ending is Ending.STOP


async def test_a_pause_of_some_seconds_ends_by_itself(way: Way, tmp_path: Path) -> None:
    session = await way.open()
    file = tmp_path / "count"
    spec = way.spec(COUNT.format(file=file))
    await session.start(spec)
    await processes.until(lambda: count(file) != "")
    await session.pause(spec.id, seconds=0.3)
    await session.pause(spec.id, seconds=0.8)
    await asyncio.sleep(0.45)
    assert not await beats(file, 0.15)
    await asyncio.sleep(0.4)
    assert await beats(file)
    assert not (await session.status(spec.id)).paused


async def test_a_pause_outlives_its_session(way: Way, tmp_path: Path) -> None:
    session = await way.open()
    file = tmp_path / "count"
    spec = way.spec(COUNT.format(file=file))
    await session.start(spec)
    await processes.until(lambda: count(file) != "")
    await session.pause(spec.id, seconds=8.0 if way.of_agent else 2.5)  # an agent starts again
    way.cut()
    await asyncio.sleep(0.2)
    assert not await beats(file)
    held = count(file)
    await processes.until(lambda: count(file) != held, seconds=20)


async def test_a_held_attempt_can_be_stopped(every_way: Way) -> None:
    session = await every_way.open()
    spec = every_way.spec("sleep 60 & sleep 60")
    await session.start(spec)
    await processes.until(lambda: len(every_way.running()) >= 3)
    await session.pause(spec.id)
    async with asyncio.timeout(10):
        stopped = await session.stop(spec.id, grace=0.3)
    assert (stopped.ending, stopped.paused) == (Ending.STOP, False)
    assert every_way.running() == []


@pytest.mark.parametrize("limit", [0.8, pytest.param(1.5, marks=pytest.mark.sweep)])
async def test_the_time_out_waits_while_an_attempt_is_held(every_way: Way, limit: float) -> None:
    session = await every_way.open()
    spec = every_way.spec("sleep 60", timeout=limit, grace=0.2)
    await session.start(spec)
    await session.pause(spec.id)
    await asyncio.sleep(limit + 0.6)
    assert (await session.status(spec.id)).paused
    await session.resume(spec.id)
    assert (await session.status(spec.id)).phase is Phase.RUNNING
    async with asyncio.timeout(limit + 6):
        assert (await session.wait(spec.id)).ending is Ending.TIMEOUT


async def test_what_does_not_run_is_not_held(way: Way) -> None:
    session = await way.open()
    spec = way.spec("exit 0")
    with pytest.raises(RefusedError, match="does not run"):
        await session.pause(spec.id)
    await session.start(spec)
    await session.wait(spec.id)
    for act in (session.pause, session.resume):
        with pytest.raises(RefusedError, match="does not run"):
            await act(spec.id)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf"), 1e9])
async def test_a_pause_of_no_time_is_refused(way: Way, seconds: float) -> None:
    session = await way.open()
    with pytest.raises(RefusedError, match="cannot pause for"):
        await session.pause(way.spec("true").id, seconds=seconds)


async def test_what_only_an_agent_has_is_refused_before_anything_starts(way: Way) -> None:
    if way.of_agent:
        pytest.skip("an agent is there")
    session = await way.open()
    for spec in (way.spec("", script="uptime"), way.spec("cat", interactive=True)):
        with pytest.raises(NeedsAgentError):
            await session.start(spec)
        assert (await session.status(spec.id)).phase is Phase.NONE
