"""Time of a simulated world: it moves when told, by leaps from one sleeper to the next, and never while anything happens.

Nothing of a world waits for a real thread, socket or timer, so the event loop itself says when nothing more happens now.
"""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Final, ParamSpec, TypeVar

START: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
TURNS: Final = 200_000
"""Turns of the event loop at one moment; more is something that never rests."""
P = ParamSpec("P")
T = TypeVar("T")


class NeverQuietError(AssertionError):
    """Something goes on and on without time passing."""


class QuietClock:
    """A clock on the wall, which may be set, over one that only goes forward and by which sleepers sleep."""

    def __init__(self, start: datetime = START) -> None:
        self._wall = start
        self._passed = 0.0
        self._count = itertools.count()
        self._asleep: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        """Say what the clock on the wall shows."""
        return self._wall + timedelta(seconds=self._passed)

    @property
    def passed(self) -> float:
        """Seconds since the beginning, whatever the clock on the wall was set to."""
        return self._passed

    def set_by(self, seconds: float) -> None:
        """Set the clock on the wall forward or back; whoever sleeps does not notice."""
        self._wall += timedelta(seconds=seconds)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._asleep, (self._passed + seconds, next(self._count), waiting))
        await waiting

    async def advance(self, seconds: float) -> None:
        """Let time pass, and everything happen that happens meanwhile, each at its moment."""
        end = self._passed + seconds
        await settle()
        while self._asleep and self._asleep[0][0] <= end:
            moment, _, waiting = heapq.heappop(self._asleep)
            if waiting.done():
                continue  # it was cancelled
            self._passed = max(self._passed, moment)
            waiting.set_result(None)
            await settle()
        self._passed = end

    def stand_still(self, seconds: float) -> None:
        """Let time pass while nothing happens: the process was stopped."""
        self._passed += seconds


class ForeignClock:
    """The clock of other machines: nobody sets it when ours is set."""

    def __init__(self, clock: QuietClock) -> None:
        self._clock = clock
        self._start = clock.now()

    def now(self) -> datetime:
        """Say what it shows."""
        return self._start + timedelta(seconds=self._clock.passed)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._clock.sleep(seconds)


async def settle() -> None:
    """Let everything happen that happens now.

    Raises:
        NeverQuietError: that does not end.
    """
    ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
    for _ in range(TURNS):
        await asyncio.sleep(0)
        if not ready:
            return
    raise NeverQuietError("the world never rests")


class AtOnce(ThreadPoolExecutor):
    """Does at once what is handed to a thread."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Do it."""
        done: Future[T] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - it is told to whoever waits
            done.set_exception(error)
        return done
