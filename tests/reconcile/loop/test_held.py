"""A state that is held starts nothing, and everything is looked at as soon as it is let go, by whichever process."""

from pathlib import Path

from controller.jobs.held import HELD
from tests.reconcile.loop.estate import Land, estate

SHOP = "  shop: {task: deploy, servers: 'web-*', repo: app}\n"


async def test_what_was_held_begins_when_it_is_let_go(tmp_path: Path) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    await land.store.marks.put(HELD, "restored from a backup")
    async with estate(land) as here:
        await here.look_at_config()
        await here.quiet()
        await here.world.follow_hold()
        assert land.worked == []
        await land.store.marks.swap(HELD, "restored from a backup", None)  # as another process does
        await here.quiet()
        assert land.worked == [], "nobody has heard of it"
        await here.world.follow_hold()
        await here.applied("shop", "web-1", "web-2")


async def test_a_state_that_was_never_held_wakes_nobody(tmp_path: Path) -> None:
    land = Land(tmp_path)
    land.declare(SHOP)
    async with estate(land) as here:
        await here.applied("shop", "web-1", "web-2")
        here.world.changed.clear()
        await here.world.follow_hold()
        assert not here.world.changed.is_set()
