"""Answers that are dear to make and asked for often, made once for everybody: the status, and everything last seen.

Called by the handlers. With thousands of servers a status is a plan of thousands of pairs: it is made by one request while the others
wait for it, and given again for a moment that grows with what it cost, so that watchers cannot keep the controller from its work.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final, Generic, TypeVar

from controller.api.port import Serving
from controller.model.token import Actor
from controller.reconcile.controller import LocalController
from controller.reconcile.exchange.status import Sightings, StatusReport

T = TypeVar("T")

SHORTEST: Final = 1.0
"""Seconds for which an answer is given again at least, when nothing is changed here."""
SHARE: Final = 10.0
"""Times its own cost for which an answer is given again."""
LONGEST: Final = 30.0
NOBODY: Final = Actor(name="controller", role=None, kind="local")


class Shared(Generic[T]):
    """One answer, made again when it is old."""

    def __init__(self, make: Callable[[], Awaitable[T]], now: Callable[[], datetime]) -> None:
        self._make = make
        self._now = now
        self._turn = asyncio.Lock()
        self._kept: tuple[T, datetime, float] | None = None
        self._since = 0

    def forget(self) -> None:
        """Make it anew the next time: something was changed."""
        self._kept = None
        self._since += 1

    async def get(self) -> T:
        """Give the answer."""
        fresh = self._fresh()
        if fresh is not None:
            return fresh[0]
        async with self._turn:
            fresh = self._fresh()
            if fresh is not None:
                return fresh[0]
            began, since = self._now(), self._since
            made = await self._make()
            cost = (self._now() - began).total_seconds()
            if since == self._since:
                self._kept = (made, self._now(), min(LONGEST, max(SHORTEST, SHARE * cost)))
            return made

    def _fresh(self) -> tuple[T] | None:
        if self._kept is None:
            return None
        made, at, life = self._kept
        age = (self._now() - at).total_seconds()
        return (made,) if 0 <= age < life else None


class Glance:
    """What is shared by all requests."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._generation = serving.generation
        self._status: Shared[StatusReport] = Shared(self._make_status, serving.clock.now)
        self._seen: Shared[Sightings] = Shared(self._make_seen, serving.clock.now)

    def forget(self) -> None:
        """Make everything anew the next time."""
        self._status.forget()
        self._seen.forget()

    async def status(self) -> StatusReport:
        """Say how wanted and applied compare."""
        if self._serving.generation is not self._generation:
            self._generation = self._serving.generation
            self.forget()
        return await self._status.get()

    async def seen(self) -> Sightings:
        """Give everything last seen."""
        return await self._seen.get()

    async def _make_status(self) -> StatusReport:
        if self._serving.generation is None:
            return (
                StatusReport()
            )  # nothing is in force yet, which is no reason to hide what is wrong
        return await LocalController(self._serving.rooms(NOBODY)).status()

    async def _make_seen(self) -> Sightings:
        return await LocalController(self._serving.rooms(NOBODY)).observed()
