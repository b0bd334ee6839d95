"""The part that works: takes keys from the queue and reconciles them, several at once, each by itself.

Run by the supervisor. What a reconciler raises goes to the switch; only a state that cannot be used ends the part. Runs last as
long as their jobs and take no place from others.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final

from controller.errors import NotFoundError, StateAwayError, StateError
from controller.reconcile.loop.keys import Key, Kind
from controller.reconcile.loop.result import After, Result
from controller.reconcile.loop.switch import troubled, unsay, wait_for
from controller.reconcile.loop.world import World
from controller.workqueue.port import Claim

PLACES: Final = 16
"""Keys that are reconciled at once, runs aside."""
RUNS: Final = 500
"""Runs that are driven at once."""
LONGEST_SECONDS: Final = 86_400.0
"""A key comes back after so long at most, whatever it waits for."""
AGAIN_SECONDS: Final = 1.0
"""After so long a key is taken again whose worker ended meanwhile."""
FULL_SECONDS: Final = 5.0
"""After so long a run is tried again for which there was no place."""


Reconciler = Callable[[World, str], Awaitable[Result]]


class Worker:
    """Reconciles keys until it is cancelled.

    Args:
        world: what reconcilers work with.
        table: which reconciles what.
        places: keys that are reconciled at once, runs aside.
    """

    def __init__(
        self, world: World, table: Mapping[Kind, Reconciler], *, places: int = PLACES
    ) -> None:
        self._world = world
        self._table = table
        self._places = asyncio.Semaphore(places)
        self._tasks: set[asyncio.Task[None]] = set()
        self._runs = 0
        self._troubled: set[Key] = set()
        self._failed: asyncio.Future[None] | None = None
        self._draining = False

    async def run(self) -> None:
        """Work for ever, or until `drain`.

        Raises:
            StateError: the state cannot be used.
        """
        self._failed = asyncio.get_running_loop().create_future()
        self._troubled = await troubled(self._world)
        taking = asyncio.create_task(self._take_all())
        try:
            await asyncio.wait({taking, self._failed}, return_when=asyncio.FIRST_COMPLETED)
            for ended in (taking, self._failed):
                if ended.done():
                    ended.result()
        finally:
            for task in (taking, *self._tasks):
                task.cancel()
            await asyncio.gather(taking, *self._tasks, return_exceptions=True)

    async def drain(self) -> None:
        """Begin nothing more, and come back when the runs under way have come as far as they can."""
        self._draining = True
        while self._runs:
            await asyncio.wait(set(self._tasks), return_when=asyncio.FIRST_COMPLETED)

    async def _take_all(self) -> None:
        """Take one key after the other."""
        while True:
            await self._places.acquire()
            try:
                claim = await self._world.queue.take()
            except BaseException:
                self._places.release()
                raise
            task = asyncio.create_task(self._work(claim))
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and self._failed is not None and not self._failed.done():
            self._failed.set_exception(error)

    async def _work(self, claim: Claim) -> None:
        """Reconcile one key; a run gives its place to others."""
        try:
            key = Key.parse(claim.key)
        except NotFoundError:  # of another version
            self._places.release()
            await self._world.queue.done(claim)
            return
        if key.kind is not Kind.RUN:
            try:
                await self._reconcile(key, claim)
            finally:
                self._places.release()
            return
        self._places.release()
        if self._draining or self._runs >= RUNS:
            await self._finish(claim, After(FULL_SECONDS, "no run begins now"))
            return
        self._runs += 1
        try:
            await self._reconcile(key, claim)
        finally:
            self._runs -= 1

    async def _reconcile(self, key: Key, claim: Claim) -> None:
        """Reconcile a key for as long as it is ours, and say how that ended."""
        world, counts = self._world, self._world.counts
        began = world.rooms.clock.now()
        counts.busy += 1
        work = asyncio.ensure_future(self._table[key.kind](world, key.name))
        lost = asyncio.ensure_future(world.queue.lost(claim))
        outcome = None
        try:
            await asyncio.wait({work, lost}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                return  # another worker has taken the key over
            outcome = await self._conclude(key, claim, work)
        finally:
            counts.busy -= 1
            if outcome is None:  # this part ends, and begins anew
                with suppress(StateError):
                    await world.queue.back(claim, after=AGAIN_SECONDS)
            for each in (work, lost):
                each.cancel()
            await asyncio.gather(work, lost, return_exceptions=True)
        counts.note(key.kind, outcome, (world.rooms.clock.now() - began).total_seconds())

    async def _conclude(self, key: Key, claim: Claim, work: "asyncio.Future[Result]") -> str:
        """Give the key back as its reconciler, or the switch, says; tell the outcome."""
        try:
            result = work.result()
        except StateError as error:
            if not isinstance(error, StateAwayError):
                raise
            return await self._fail(key, claim, error)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is this key's alone: the switch says what becomes of it
            return await self._fail(key, claim, error)
        await self._well(key)
        await self._finish(claim, result)
        return "after" if isinstance(result, After) else "done"

    async def _fail(self, key: Key, claim: Claim, error: Exception) -> str:
        wait = await wait_for(self._world, key, error, claim.fails)
        self._troubled.add(key)
        await self._world.queue.back(claim, after=wait.seconds)
        return wait.outcome

    async def _well(self, key: Key) -> None:
        """Take back what the switch said of a key."""
        if key in self._troubled:
            self._troubled.discard(key)
            await unsay(self._world, key)

    async def _finish(self, claim: Claim, result: Result) -> None:
        """Have a key come back when it is due; added before it is let go, so that it is never lost in between."""
        if isinstance(result, After):
            after = min(max(result.seconds, 0.0), LONGEST_SECONDS)
            await self._world.queue.add(claim.key, after=after)
        await self._world.queue.done(claim)
