"""Time that moves only when told."""

import asyncio
import heapq
from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
TURNS = 8
"""Turns of the event loop that a woken sleeper gets to reach its next sleep."""


class FakeClock:
    """A clock whose sleepers wake in the order of their moments as the test lets time pass."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start
        self._asleep: list[tuple[datetime, int, asyncio.Event]] = []
        self._count = 0

    def now(self) -> datetime:
        """Say what time the test says it is."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Wait until the test has let so much time pass."""
        awake = asyncio.Event()
        self._count += 1
        moment = self._now + timedelta(seconds=seconds)
        heapq.heappush(self._asleep, (moment, self._count, awake))
        await awake.wait()

    def set(self, moment: datetime) -> None:
        """Put the clock to a moment without waking anybody, as when somebody sets the machine's clock."""
        self._now = moment

    async def advance(self, seconds: float) -> None:
        """Let time pass and wake each sleeper at its own moment."""
        end = self._now + timedelta(seconds=seconds)
        await _turn()
        while self._asleep and self._asleep[0][0] <= end:
            moment, _, awake = heapq.heappop(self._asleep)
            self._now = max(self._now, moment)
            awake.set()
            await _turn()
        self._now = end


async def _turn() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)
