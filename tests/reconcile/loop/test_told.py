"""The whole loop tells people: a run that fails, and the one that is well again, reach a receiver."""

import asyncio
import json
from pathlib import Path

from controller.reconcile.loop.keys import OUTBOX
from controller.reconcile.loop.notices import Noticeboard
from tests.fakes.receivers import Receiver, http_receiver
from tests.reconcile.loop.estate import Estate, Land, estate

TARGETS = """\
  shop: {{task: deploy, servers: 'web-*', repo: app, on_commit: apply}}
secrets: {{ops-url: {{file: {url}}}}}
notifiers: {{ops: {{url: {{secret: ops-url}}, events: [started, failed, recovered]}}}}
"""


def titles(receiver: Receiver) -> list[str]:
    return [json.loads(posted.body)["title"] for posted in receiver.posted]


async def told(here: Estate, receiver: Receiver, words: str) -> None:
    """Wait until the receiver has been told something, letting time pass."""
    for _ in range(60):
        if any(words in title for title in titles(receiver)):
            return
        here.land.clock.shift(31)
        await here.quiet()
        await asyncio.sleep(0.05)
    raise AssertionError((titles(receiver), await here.world.rooms.store.outbox.list()))


async def test_a_run_that_fails_is_told_and_so_is_its_end(tmp_path: Path) -> None:
    land = Land(tmp_path, bad={"web-1"})
    path = tmp_path / "url"
    async with http_receiver() as receiver:
        await asyncio.to_thread(path.write_text, receiver.url)
        land.declare(TARGETS.format(url=path))
        async with estate(land) as here:
            rooms = here.world.rooms
            here.world.notices = Noticeboard(
                rooms.store.outbox, here.world.force, here.world.queue, rooms.clock, rooms.masker
            )
            await told(here, receiver, "failed")
            land.bad.clear()
            await here.push("2")
            await told(here, receiver, "well again")
            letters = await rooms.store.outbox.list()
    assert {letter.state.value for letter in letters} <= {"sent", "merged"}
    assert not await rooms.store.outbox.waiting(rooms.clock.now())
    failures = [title for title in titles(receiver) if "failed" in title]
    assert len(failures) == 1


async def test_letters_outlive_the_controller(tmp_path: Path) -> None:
    land = Land(tmp_path, bad={"web-1"})
    path = tmp_path / "url"
    async with http_receiver() as receiver:
        await asyncio.to_thread(path.write_text, receiver.url)
        land.declare(TARGETS.format(url=path))
        for _ in range(2):
            async with estate(land) as here:
                rooms = here.world.rooms
                here.world.notices = Noticeboard(
                    rooms.store.outbox,
                    here.world.force,
                    here.world.queue,
                    rooms.clock,
                    rooms.masker,
                )
                await here.ended(2)
                await here.quiet()
        assert titles(receiver) == []
        async with estate(land) as here:
            await here.until(lambda: here.world.generation is not None)
            land.clock.shift(31)
            await here.world.add(OUTBOX)
            await told(here, receiver, "failed")
    assert len([title for title in titles(receiver) if "failed" in title]) == 1
