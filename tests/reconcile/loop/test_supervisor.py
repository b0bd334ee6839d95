"""The supervisor: parts live and die by themselves, and show that they live."""

import asyncio
import itertools

import pytest

from controller.errors import StateAwayError, StateError
from controller.reconcile.loop.supervisor import LONGEST_SECONDS, Process, Run, Supervisor
from controller.store.memory import MemoryStore
from tests.fakes.clocks import FakeClock

PROCESS = Process(instance="abc", host="hub", pid=7, version="1")


async def forever() -> None:
    await asyncio.Event().wait()


class Failing:
    """A part that fails as often as it is told."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.starts = 0

    async def __call__(self) -> None:
        self.starts += 1
        if self.errors:
            raise self.errors.pop(0)
        await forever()


def supervisor(clock: FakeClock, store: MemoryStore, **parts: Run) -> Supervisor:
    return Supervisor(parts, shelf=store.parts, clock=clock, process=PROCESS)


async def test_a_part_that_fails_is_started_again_alone_ever_later() -> None:
    clock, store = FakeClock(), MemoryStore()
    bad, good = Failing(*(ValueError("no") for _ in range(9))), Failing()
    watch = supervisor(clock, store, api=good, worker=bad)
    running = asyncio.create_task(watch.run())
    await clock.advance(0)
    assert (bad.starts, good.starts) == (1, 1)
    starts = []
    for _ in range(300):
        await clock.advance(1)
        starts.append(bad.starts)
    assert bad.starts == 10
    assert good.starts == 1
    assert watch.parts == {"api": True, "worker": True}
    gaps = [starts.index(number) for number in range(2, 11)]
    pauses = [later - earlier for earlier, later in itertools.pairwise(gaps)]
    assert max(pauses) <= LONGEST_SECONDS + 1
    assert pauses[0] < pauses[4]
    watch.stop()
    await running


async def test_every_part_shows_a_heartbeat_and_why_it_last_failed() -> None:
    clock, store = FakeClock(), MemoryStore()
    watch = supervisor(clock, store, api=Failing(), worker=Failing(ValueError("no disk")))
    running = asyncio.create_task(watch.run())
    await clock.advance(21)
    parts = {part.name: part for part in await store.parts.all()}
    assert set(parts) == {"api", "worker"}
    assert parts["worker"].error == "no disk"
    assert parts["worker"].failures == 1
    assert (clock.now() - parts["api"].seen_at).total_seconds() <= 10
    await clock.advance(120)
    assert {part.failures for part in await store.parts.all()} == {0}
    watch.stop()
    await running


async def test_a_part_that_is_not_up_shows_no_heartbeat() -> None:
    clock, store = FakeClock(), MemoryStore()
    endless = Failing(*(ValueError("no") for _ in range(10_000)))
    watch = supervisor(clock, store, worker=endless)
    running = asyncio.create_task(watch.run())
    await clock.advance(300)
    assert await store.parts.all() == ()
    assert endless.starts > 3
    watch.stop()
    await running


async def test_a_state_at_fault_for_good_ends_everything_and_is_raised() -> None:
    clock, store = FakeClock(), MemoryStore()
    watch = supervisor(clock, store, api=Failing(), worker=Failing(StateError("fsync failed")))
    with pytest.raises(StateError, match="fsync failed"):
        await asyncio.wait_for(watch.run(), 5)
    assert not any(watch.parts.values())


async def test_a_database_that_is_away_ends_nothing() -> None:
    clock, store = FakeClock(), MemoryStore()
    part = Failing(StateAwayError("away"))
    watch = supervisor(clock, store, worker=part)
    running = asyncio.create_task(watch.run())
    await clock.advance(5)
    assert part.starts == 2
    watch.stop()
    await running


async def test_parts_end_in_the_reverse_of_their_order() -> None:
    clock, store = FakeClock(), MemoryStore()
    ends: list[str] = []

    def part(name: str) -> Run:
        async def run() -> None:
            try:
                await forever()
            finally:
                ends.append(name)

        return run

    watch = supervisor(clock, store, worker=part("worker"), scheduler=part("s"), api=part("api"))
    running = asyncio.create_task(watch.run())
    await clock.advance(0)
    watch.stop()
    await running
    assert ends == ["api", "s", "worker"]
