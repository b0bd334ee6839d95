"""A clock that stands still while anything happens and jumps to the next deadline when nothing does."""

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta

QUIET = 30
"""Turns of the event loop without which nothing is taken to be happening."""


class JumpingClock:
    """Time that costs none; `sleep` returns in order of deadline."""

    def __init__(self, start: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)) -> None:
        self._now = start
        self._count = itertools.count()
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._pump: asyncio.Task[None] | None = None

    def now(self) -> datetime:
        return self._now

    def set(self, now: datetime) -> None:
        """Jump."""
        self._now = now

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        until = self._now + timedelta(seconds=seconds)
        heapq.heappush(self._sleepers, (until, next(self._count), waiting))
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._run())
        await waiting

    async def _run(self) -> None:
        while self._sleepers:
            for _ in range(QUIET):
                await asyncio.sleep(0)
            while self._sleepers and self._sleepers[0][2].done():
                heapq.heappop(self._sleepers)  # it was cancelled
            if self._sleepers:
                until, _, waiting = heapq.heappop(self._sleepers)
                self._now = max(self._now, until)
                waiting.set_result(None)
