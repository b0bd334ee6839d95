"""Records of a clock that was ahead: put back before a look that was made since, and else as they were."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import cast

from controller.model.applied import Applied, Tried
from controller.model.ids import RunId
from controller.model.job import Run
from controller.model.observation import ServerSeen
from controller.reconcile.loop.backdating import backdate
from controller.reconcile.loop.world import World
from controller.store.memory import MemoryStore
from tests.jobs.rig import Rig, digest

HOUR = timedelta(hours=1)
TARGETS = ("shop", "store")


class Place:
    """A world with two records of web-1, one of now and one of the next hour."""

    def __init__(self) -> None:
        self.rig = Rig()
        self.store = cast("MemoryStore", self.rig.store)
        self.now = self.rig.clock.now()
        self.look = ServerSeen(server="web-1", at=self.now, reached=True)
        known = Applied(target="store", server="web-1", applied=digest("v1"), at=self.now)
        tried = Tried(digest=digest("v2"), run=RunId("r1"), at=self.now + HOUR)
        ahead = replace(known, target="shop", at=self.now + HOUR / 2, tried=tried)
        self.before = {"shop": ahead, "store": known}

    async def after(self) -> dict[str, Applied]:
        """Say what is known after a look."""
        rooms = SimpleNamespace(store=self.store, clock=self.rig.clock)
        await self.store.records.put(self.before.values())
        await backdate(cast("World", SimpleNamespace(rooms=rooms)), self.look, TARGETS)
        return {target: record for (target, _), record in (await self.store.records.all()).items()}


async def test_only_the_times_of_what_is_ahead_change() -> None:
    place = Place()
    known = await place.after()
    latest = place.now - timedelta(microseconds=1)
    ahead = place.before["shop"]
    assert ahead.tried is not None
    put_back = replace(ahead, at=latest, tried=replace(ahead.tried, at=latest))
    assert known == {"shop": put_back, "store": place.before["store"]}


async def test_what_a_job_is_about_to_write_is_left_to_it() -> None:
    place = Place()
    job, body = place.rig.job()
    run = Run(id=job.run, actor="tester", created_at=place.now)
    await place.rig.engine().submit(run, [(job, body)])
    assert await place.after() == place.before
