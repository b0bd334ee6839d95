"""The worker pool: accepted attempts wait here until one of so many workers is free, in the order in which they came.

A worker has a whole job: an attempt of a job that runs already begins at once, for its steps may wait for each other.

`attempts` calls it; it calls the executor, and tells whoever made it when an attempt begins and when it is over. A number
of workers that is set holds until the daemon ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Callable

from controller.agent.log import Log
from controller.execution import clock
from controller.execution.errors import ExecutionError
from controller.execution.executor import Executor
from controller.execution.status import Status
from controller.wire.messages.server import Pool as Size

LATE = "it was not to be started any more"


class Pool:
    """Who runs and who waits.

    Args:
        executor: runs them.
        workers: jobs that run at once.
        begun: called when an attempt has been started; raises nothing.
        over: called when one is over; raises nothing.
        log: takes what went wrong.
    """

    def __init__(
        self,
        executor: Executor,
        workers: int,
        *,
        begun: Callable[[Status], Awaitable[None]],
        over: Callable[[Status], Awaitable[None]],
        log: Log,
    ) -> None:
        self._executor = executor
        self._workers = workers
        self._begun = begun
        self._over = over
        self._log = log
        self._waiting: dict[str, tuple[str, float]] = {}  # its job and its last moment
        self._weights: dict[str, int] = {}
        self._wrong: dict[str, ExecutionError] = {}
        self._running: dict[str, str] = {}  # its job, by attempt
        self._ready: dict[str, asyncio.Future[None]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def size(self) -> Size:
        """Say how many jobs may run, run and wait."""
        running = set(self._running.values())
        waiting = {job for job, _ in self._waiting.values()} - running
        return Size(workers=self._workers, running=len(running), waiting=len(waiting))

    def resize(self, workers: int) -> None:
        """Have another number of workers; with fewer, what runs goes on."""
        self._workers = workers
        self._turn()

    def take_up(self, name: str) -> None:
        """Count an attempt that runs already."""
        self._running[name] = self._job(name)
        self._tasks[name] = asyncio.ensure_future(self._follow(name))

    @property
    def weight(self) -> int:
        """Say how many bytes wait."""
        return sum(self._weights.values())

    async def add(self, name: str, *, not_after: float, weight: int) -> None:
        """Have an accepted attempt run in its turn; return when it runs or is over, or at once where it has to wait.

        Args:
            name: of the attempt.
            not_after: UNIX time after which it must not start; 0 is none.
            weight: bytes it has while it waits.

        Raises:
            ExecutionError: it could not be started, and nobody could write down why.
        """
        self._waiting[name] = (self._job(name), not_after)
        self._weights[name] = weight
        self._ready[name] = asyncio.get_running_loop().create_future()
        self._turn()
        ready = self._ready.get(name)
        if ready is not None and name not in self._waiting:
            await asyncio.wait({ready})
        if name in self._wrong:
            raise self._wrong.pop(name)

    async def ready(self, name: str) -> None:
        """Wait until an attempt that waits runs, or is over."""
        ready = self._ready.get(name)
        if ready is not None:
            await asyncio.wait({ready})

    async def settled(self, name: str) -> None:
        """Wait until everything about the end of an attempt is done."""
        task = self._tasks.get(name)
        if task is not None:
            await asyncio.wait({task})

    def drop(self, name: str) -> bool:
        """Take an attempt out that waits; say whether it did."""
        if self._waiting.pop(name, None) is None:
            return False
        self._weights.pop(name, None)
        self._go(name, self._leave(name))
        return True

    async def empty(self) -> None:
        """Wait until nothing runs and nothing waits."""
        while self._tasks:
            await asyncio.wait(set(self._tasks.values()))
            await asyncio.sleep(0)

    async def close(self) -> None:
        """Start nothing more and watch nothing more; what runs goes on."""
        self._waiting.clear()
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _turn(self) -> None:
        running = set(self._running.values())
        for name, (job, not_after) in list(self._waiting.items()):
            if job in running or len(running) < self._workers:
                del self._waiting[name]
                running.add(job)
                self._running[name] = job
                self._go(name, self._run(name, not_after))

    def _job(self, name: str) -> str:
        return self._executor.job(name)

    def _go(self, name: str, work: Awaitable[None]) -> None:
        self._tasks[name] = asyncio.ensure_future(work)

    async def _run(self, name: str, not_after: float) -> None:
        self._weights.pop(name, None)
        try:
            if 0 < not_after < clock.wall():
                await self._executor.withdraw(name, LATE)
            else:
                await self._begun(await self._executor.start(name))
        except ExecutionError as error:
            self._log.say(f"cannot start {name}: {error.message}")
            self._wrong[name] = error
            self._running.pop(name, None)
            self._tasks.pop(name, None)
            return
        finally:
            self._settle(name)
        await self._follow(name)

    async def _follow(self, name: str) -> None:
        try:
            status = await self._executor.wait(name)
        finally:
            self._running.pop(name, None)
            self._turn()
        await self._finish(status)

    async def _leave(self, name: str) -> None:
        """See an attempt to its end that is being stopped before it began."""
        await self._finish(await self._executor.wait(name))

    async def _finish(self, status: Status) -> None:
        name = status.id
        try:
            await self._over(status)
        finally:
            self._settle(name)
            self._tasks.pop(name, None)

    def _settle(self, name: str) -> None:
        ready = self._ready.pop(name, None)
        if ready is not None and not ready.done():
            ready.set_result(None)
