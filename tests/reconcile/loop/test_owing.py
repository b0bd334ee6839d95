"""A promise outlives its process and tells later whether it was kept; a schedule begins when it is first seen as it is."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from controller.model.ids import RunId
from controller.model.job import Run
from controller.model.schedule import Schedule
from controller.model.serving import Due
from controller.reconcile.loop import accepting, owing
from controller.reconcile.loop.owing import Owed
from tests.reconcile.loop.small_world import START, SmallWorld, small_world

NIGHTLY = Schedule(cron="0 3 * * *", timezone="Europe/Berlin")
OWED = Owed(due=START, run=RunId("run-1"))
HOUR = timedelta(hours=1)


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[SmallWorld]:
    async with small_world(tmp_path / "house") as made:
        yield made


async def test_a_schedule_begins_when_it_is_first_seen_as_it_is(town: SmallWorld) -> None:
    world = town.world
    assert await owing.since(world, "backup", NIGHTLY, START) == START
    assert await owing.since(world, "backup", NIGHTLY, START + HOUR) == START
    other = Schedule(every=60.0, anchor=START)
    assert await owing.since(world, "backup", other, START + HOUR) == START + HOUR
    assert await owing.since(world, "backup", other, START + 2 * HOUR) == START + HOUR


async def test_one_that_was_first_seen_in_the_future_begins_now(town: SmallWorld) -> None:
    ahead = START + 999 * HOUR
    assert await owing.since(town.world, "backup", NIGHTLY, ahead) == ahead
    assert await owing.since(town.world, "backup", NIGHTLY, START) == START


async def test_a_mark_of_another_version_counts_as_none(town: SmallWorld) -> None:
    marks = town.world.rooms.store.marks
    await marks.put(f"{owing.SINCE}backup", "{}")
    await marks.put(f"{owing.OWED}backup", "yesterday")
    assert await owing.since(town.world, "backup", NIGHTLY, START) == START
    assert await owing.owed(town.world, "backup") is None


async def test_a_run_is_owed_from_the_claim_until_it_is_recorded(town: SmallWorld) -> None:
    world, store = town.world, town.world.rooms.store
    await owing.promise(world, "backup", OWED)
    assert await owing.owed(world, "backup") == OWED
    assert not await owing.unpaid(world, "backup", OWED)
    row = Due(target="backup", due=START, at=START, outcome="fired", run=OWED.run)
    await store.dues.claim(row)
    assert await owing.unpaid(world, "backup", OWED)
    assert not await owing.unpaid(world, "backup", Owed(due=START, run=RunId("run-2")))
    await store.runs.add(Run(id=OWED.run, actor="ops", created_at=START), [])
    assert not await owing.unpaid(world, "backup", OWED)


async def test_only_the_promise_that_was_kept_is_let_go(town: SmallWorld) -> None:
    later = Owed(due=START + HOUR, run=RunId("run-2"))
    await owing.promise(town.world, "backup", later)
    await owing.settle(town.world, "backup", OWED)
    assert await owing.owed(town.world, "backup") == later
    await owing.settle(town.world, "backup", later)
    assert await owing.owed(town.world, "backup") is None


async def test_a_target_that_loses_its_schedule_is_forgotten_at_once(town: SmallWorld) -> None:
    text = (
        "tasks: {note: {run: x}}\ntargets:\n"
        "  stays: {servers: all, task: note, schedule: {every: 1h}}\n"
        "  loses: {servers: all, task: note, schedule: {every: 1h}}\n"
        "  goes: {servers: all, task: note, schedule: {every: 1h}}\n"
    )
    await town.declare(text, servers=1)
    assert town.world.generation is not None
    before = town.world.generation.declaration
    for name in owing.scheduled(before):
        await owing.since(town.world, name, NIGHTLY, START)
    kept = text.splitlines(keepends=True)[:-1]
    await town.declare("".join(kept[:-1]) + "  loses: {servers: all, task: note}\n")
    await accepting.drop_gone(town.world, before, town.world.generation.declaration)
    assert await owing.known(town.world) == {"stays"}


async def test_everything_of_a_target_is_forgotten(town: SmallWorld) -> None:
    await owing.since(town.world, "backup", NIGHTLY, START)
    await owing.promise(town.world, "report", OWED)
    assert await owing.known(town.world) == {"backup", "report"}
    for name in ("backup", "report", "never"):
        await owing.forget(town.world, name)
    assert await owing.known(town.world) == set()
