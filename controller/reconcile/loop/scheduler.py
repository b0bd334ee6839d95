"""The part that says what is due: adds every key when it begins and when other declarations come into force, and some every few minutes.

Those are the keys that do not wait in the queue anyway. Run by the supervisor. It never judges whether anything is to be done: a reconciler finds that out from the records. So nothing is lost
for good, whatever became of a key.
"""

import asyncio
from collections.abc import AsyncIterator, Collection
from datetime import timedelta
from typing import Final

from controller.model.declaration import Declaration
from controller.reconcile.loop.keys import CONFIG, EXPIRY, OUTBOX, RETENTION, Key, Kind
from controller.reconcile.loop.world import World

EVERY_SECONDS: Final = 300.0
LOOK_SECONDS: Final = 60.0
"""Between two looks at the clock, which somebody may set forth and back again between two sweeps."""
LATELY: Final = 200
"""So many of the newest runs are looked at for one whose end was not written down."""
BREATH: Final = 500
"""After so many keys others get their turn."""


class Scheduler:
    """Adds keys until it is cancelled."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._began = world.rooms.clock.now()

    async def run(self) -> None:
        """Add every key, again and again; all of them also when the clock was set back: what waits is due by the one before.

        Raises:
            StateError: the state cannot be used.
        """
        news = True
        while True:
            self._began = self._world.rooms.clock.now()
            self._world.changed.clear()
            await self.sweep(whole=news)
            news = await self._wait()

    async def sweep(self, *, whole: bool = True) -> None:
        """Add every key once; without `whole` only those that do not wait: of the others it is known when they are due."""
        waiting = set() if whole else {one.key for one in await self._world.queue.waiting()}
        number = 0
        async for key in self._keys():
            if str(key) in waiting:
                continue
            await self._world.add(key)
            number += 1
            if number % BREATH == 0:
                await asyncio.sleep(0)

    async def _keys(self) -> AsyncIterator[Key]:
        """List what there is: runs first, because something of them may be under way."""
        yield CONFIG
        store = self._world.rooms.store
        open_ = [job.run for job in await store.jobs.open()]
        unfinished = [run.id for run in await store.runs.list(limit=LATELY) if not run.finished_at]
        for run in dict.fromkeys([*open_, *unfinished]):
            yield Key(Kind.RUN, run)
        generation = self._world.generation
        if generation is not None:
            for key in declared(generation.declaration, await store.records.targets()):
                yield key
        for key in (OUTBOX, EXPIRY, RETENTION):
            yield key

    async def _wait(self) -> bool:
        """Wait until it is time again; say whether other declarations are in force, or the clock was set back, before that."""
        clock, last = self._world.rooms.clock, self._began
        until = last + timedelta(seconds=EVERY_SECONDS)
        while last <= (now := clock.now()) < until:
            last = now
            if await self._changed(min(LOOK_SECONDS, (until - now).total_seconds())):
                return True
        return now < last

    async def _changed(self, seconds: float) -> bool:
        """Wait so long at most for other declarations; say whether they are in force."""
        waits = [
            asyncio.ensure_future(self._world.changed.wait()),
            asyncio.ensure_future(self._world.rooms.clock.sleep(seconds)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return self._world.changed.is_set()
        finally:
            for each in waits:
                each.cancel()
            await asyncio.gather(*waits, return_exceptions=True)


def declared(declaration: Declaration, known: Collection[str]) -> list[Key]:
    """List the keys of what is declared, and of targets that something is known of."""
    return [
        *(Key(Kind.REPO, name) for name in declaration.repos),
        *(Key(Kind.SERVER, name) for name in declaration.inventory.servers),
        *(Key(Kind.TARGET, name) for name in sorted({*declaration.targets, *known})),
        *(
            Key(Kind.SCHEDULE, name)
            for name, target in declaration.targets.items()
            if target.schedule is not None
        ),
    ]
