"""Killed at any moment: nothing accepted is lost, nothing is started twice, and what is true in the end is what was asked for."""

import asyncio
import random
from pathlib import Path

import pytest

from controller.model.job import State
from tests.reconcile.loop.estate import Land, estate

TARGETS = (
    "  api: {task: deploy, servers: 'web-*', repo: app, after: [db],"
    " rollout: {batch: 1, max_failures: 2}}\n"
    "  db: {task: deploy, servers: web-1, repo: app}\n"
)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.sweep
async def test_kills_at_any_moment_lose_nothing_and_start_nothing_twice(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - a test that can be run again
    land = Land(tmp_path, slow={"web-1": 0.15, "web-2": 0.1})
    land.declare(TARGETS)
    recorded: set[str] = set()
    for number in range(10):
        async with estate(land) as here:
            await asyncio.sleep(chance.uniform(0.0, 0.6))
            if number % 3 == 0:
                await here.push(f"v{number}")
            await asyncio.sleep(chance.uniform(0.0, 0.6))
            recorded |= {job.id for job in await here.jobs()}
    land.clock.shift(10)
    async with estate(land) as here:
        await here.applied("api", "web-1", "web-2", commit=land.app.head)
        await here.applied("db", "web-1", commit=land.app.head)
        await here.quiet()
        jobs = await here.jobs()
        assert recorded <= {job.id for job in jobs}
        assert {job.state for job in jobs} <= {State.SUCCEEDED, State.SKIPPED}
        assert all(run.finished_at is not None for run in await land.store.runs.list())
    assert max(land.fleet.starts.values()) == 1
    begun = {attempt.id for job in jobs for step in job.steps for attempt in step.attempts}
    assert set(land.fleet.starts) <= begun
    ran = [job for job in jobs if job.state is State.SUCCEEDED]
    assert len({(job.target, job.server, job.commit) for job in ran}) == len(ran)
