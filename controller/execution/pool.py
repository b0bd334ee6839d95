"""Supervisors that wait for an attempt, and new ones when none waits.

A supervisor that has nothing left of its attempt comes back here; those that nobody needed for a while are let go, all
but one. `starter` and `watch` call it; it calls `spawner` and `attendant`.
"""

from __future__ import annotations

import asyncio

from controller.execution.attendant import Attendant
from controller.execution.errors import FullError
from controller.execution.spawner import Spawner

MOST = 64
LOOK = 2.0
"""Seconds between looks at how many were not needed."""
TRIES = 3


class Pool:
    """The supervisors that wait.

    Args:
        spawner: makes new ones.
    """

    def __init__(self, spawner: Spawner) -> None:
        self._spawner = spawner
        self._waiting: list[Attendant] = []
        self._unneeded = 0
        self._timer: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        """Have one ready.

        Raises:
            FullError: there is no room for another process.
        """
        self._spawner.open()
        self.give_back(await self._make(), ready=True)

    async def hand(self, attempt: bytes) -> Attendant:
        """Hand an attempt to a supervisor, which does not let it begin yet.

        Raises:
            FullError: there is no room for another process.
        """
        while True:
            attendant = self._take() or await self._make()
            try:
                await attendant.hand(attempt)
            except OSError:  # somebody ended it while it waited
                attendant.close()
            except BaseException:
                attendant.close()
                raise
            else:
                return attendant

    def give_back(self, attendant: Attendant, *, ready: bool = False) -> None:
        """Take a supervisor back whose attempt is over; one with something left of it ends on its own."""
        if not (ready or attendant.free) or attendant.lost or len(self._waiting) >= MOST:
            attendant.close()
            return
        self._waiting.append(attendant)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK, self._look)

    def close(self) -> None:
        """Let all go that wait."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            self._waiting.pop().close()
        self._spawner.close()

    def _take(self) -> Attendant | None:
        while self._waiting:
            attendant = self._waiting.pop()  # the newest: its memory is warm
            self._unneeded = min(self._unneeded, len(self._waiting))
            if not attendant.lost:
                return attendant
        return None

    async def _make(self) -> Attendant:
        for _ in range(TRIES):
            attendant = Attendant(await self._spawner.spawn())
            try:
                if await attendant.born():
                    return attendant
            except BaseException:
                attendant.close()
                raise
        raise FullError("cannot start a supervisor: it ends at once", hint=self._spawner.trouble())

    def _look(self) -> None:
        """Let those go that nobody needed since the last look."""
        unneeded, self._timer = self._unneeded, None
        for attendant in self._waiting[: max(0, min(unneeded, len(self._waiting) - 1))]:
            attendant.close()
        self._waiting = [attendant for attendant in self._waiting if not attendant.lost]
        self._unneeded = len(self._waiting)
        if self._unneeded > 1:
            self._timer = asyncio.get_running_loop().call_later(LOOK, self._look)
