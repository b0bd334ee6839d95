"""What waits is found again, whatever somebody does to the clock."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from controller.reconcile.loop import scheduler
from controller.reconcile.loop.keys import CONFIG
from tests.reconcile.loop.estate import Land, ShiftingClock, estate

DAY = 86_400.0


class SetClock(ShiftingClock):
    """A clock that is set as people set one: whoever sleeps sleeps on."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def test_a_clock_that_was_set_forth_and_back_leaves_nothing_to_wait_for_what_it_showed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler, "LOOK_SECONDS", 0.2)
    land = Land(tmp_path, clock=SetClock())
    land.declare("  shop: {task: deploy, servers: 'web-*', repo: app}\n")
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        await here.quiet()

        async def server_waits(least: float, most: float) -> bool:
            now = land.clock.now()
            return any(
                one.key == "server/web-1"
                and one.due is not None
                and timedelta(seconds=least) < one.due - now < timedelta(seconds=most)
                for one in await here.world.queue.waiting()
            )

        land.clock.shift(DAY)
        await here.world.add(CONFIG)  # the queue sees what time it is
        await here.until(lambda: server_waits(0, DAY))
        await asyncio.sleep(0.5)
        land.clock.shift(-DAY)
        assert await server_waits(DAY, 2 * DAY)
        await here.until(lambda: server_waits(0, DAY))
