"""What every reconciler works with: the rooms, the queue, the declarations in force, and those who are told.

Made by `service`, one for a process. `poke` is how anybody says "look now".
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from controller.model.declaration import Declaration
from controller.model.diagnostic import Diagnostic
from controller.model.notice import Notice
from controller.reconcile.loop.counts import Counts
from controller.reconcile.loop.force import InForce
from controller.reconcile.loop.generation import Generation, Invalid
from controller.reconcile.loop.keys import Key
from controller.reconcile.loop.live import Live
from controller.reconcile.loop.news import News
from controller.reconcile.rooms import Rooms

POKE = "poke/"
"""Begin of the names of marks that say when somebody wished for a look, followed by the key."""
HELD = "dispatch-held"
"""The mark that a restore sets: nothing is carried out until a person lifts it; its value says why."""


class Queue(Protocol):
    """Where keys wait, as far as those who add them need it."""

    async def add(self, key: str, *, after: float = 0.0) -> None:
        """Add a key that is due in so many seconds; one that waits is due at the earlier of both."""
        ...


class Noticeboard(Protocol):
    """Where people are told of what happens."""

    async def post(self, notice: Notice) -> None:
        """Tell of something, once where it is a trouble that stands."""
        ...

    async def over(self, subject: str, problem: str, notice: Notice) -> None:
        """Tell that a trouble is over, where anybody was told of it."""
        ...


class World:
    """One of each."""

    def __init__(
        self,
        *,
        rooms: Rooms,
        queue: Queue,
        force: InForce,
        live: Live,
        news: News,
        notices: Noticeboard,
        refusals: Callable[[Declaration], tuple[Diagnostic, ...]] = lambda _: (),
    ) -> None:
        self.rooms = rooms
        self.queue = queue
        self.force = force
        self.live = live
        self.news = news
        self.notices = notices
        self.refusals = refusals
        """Says what of a declaration this controller does not allow on its own machine."""
        self.counts = Counts()
        self.changed = asyncio.Event()
        """Set when another generation came into force; the scheduler clears it."""

    @property
    def generation(self) -> Generation | None:
        """The declarations in force; None until some could be read."""
        return self.force.generation

    @property
    def invalid(self) -> Invalid | None:
        """The newest declarations, where they were refused."""
        return self.force.invalid

    async def add(self, key: Key, *, after: float = 0.0) -> None:
        """Have a key reconciled in so many seconds; harmless however often it is said."""
        await self.queue.add(str(key), after=after)

    async def poke(self, key: Key, *, why: str, after: float = 0.0) -> None:
        """Wish that somebody looks now; the wish outlives the process.

        Args:
            key: what to look at.
            why: who wants it, for those who watch.
            after: seconds in which further wishes are awaited, so that all become one look.
        """
        now = self.rooms.clock.now()
        await self.rooms.store.marks.put(f"{POKE}{key}", now.isoformat())
        self.news.tell("poke", str(key), why=why)
        await self.add(key, after=after)

    async def poked(self, key: Key) -> datetime | None:
        """Say when somebody last wished for a look."""
        mark = await self.rooms.store.marks.get(f"{POKE}{key}")
        return None if mark is None else datetime.fromisoformat(mark)

    async def held(self) -> str | None:
        """Say why nothing may be carried out now; None where all may."""
        return await self.rooms.store.marks.get(HELD)
