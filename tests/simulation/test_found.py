"""Stories that broke a promise once, each as short as it could be told."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.model.job import State
from tests.simulation.simworld import SimWorld, sim_world

SETTLED = 300.0


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[SimWorld]:
    async with sim_world(tmp_path, 1) as made:
        await made.wait(SETTLED)
        assert not await made.missing()
        yield made


async def test_commands_for_one_server_have_their_turns_one_after_the_other(
    world: SimWorld,
) -> None:
    for _ in range(5):
        await world.ask("web-1")
    await world.wait(SETTLED)
    assert len(world.accepted) == 10
    jobs = await world.land.store.jobs.list(limit=5, states={State.SUCCEEDED}, server="web-1")
    assert {job.id for job in jobs} <= world.accepted
    assert not [job for job in await world.land.store.jobs.open() if job.id in world.accepted]


@pytest.mark.parametrize("told", [True, False])
async def test_a_clock_that_was_set_back_keeps_nobody_from_seeing_commits(
    world: SimWorld, told: bool
) -> None:
    await world.set_clock(-3 * 3600.0)
    await world.commit(told=told)
    await world.wait(4 * SETTLED)
    assert not await world.missing()


async def test_a_clock_that_was_set_back_keeps_nobody_from_seeing_declarations(
    world: SimWorld,
) -> None:
    await world.set_clock(-3 * 3600.0)
    await world.declare(valid=True)
    await world.wait(SETTLED)
    assert world.being is not None
    assert world.being.world.generation is not None
    assert world.being.world.generation.revision.sha == world.land.config.head.sha
