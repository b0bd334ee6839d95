"""What every reconciler works with: the rooms, the queue, the declarations in force, and those who are told.

Made by `service`, one for a process. `poke` is how anybody says "look now".
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from controller.jobs.held import HELD
from controller.model.declaration import Declaration
from controller.model.diagnostic import Diagnostic
from controller.model.ids import Sha
from controller.model.notice import Letter, Notice
from controller.reconcile.loop.counts import Counts
from controller.reconcile.loop.force import InForce
from controller.reconcile.loop.generation import Generation, Invalid
from controller.reconcile.loop.keys import Key
from controller.reconcile.loop.live import Live
from controller.reconcile.loop.news import News
from controller.reconcile.rooms import Rooms
from controller.reconcile.said import Said, say
from controller.source.configuration import Configuration
from controller.source.tracked import Found
from controller.workqueue.port import Queue

POKE: Final = "poke/"
"""Begin of the names of marks that say when somebody wished for a look, followed by the key."""
LOOKED: Final = "looked/"
"""Begin of the names of marks that say when a look began that answers all wishes before it."""
URGENT: Final = 10
"""The priority in the queue of what somebody waits for."""


class Followed(Configuration, Protocol):
    """A config repository of which one accepted commit is in force."""

    async def look(self, *, accept_rewind: bool = False) -> Found:
        """Ask the remote, fetch what is new, and judge it; what is in force stays so."""
        ...

    async def accept(self, sha: Sha) -> None:
        """Put a commit in force that a look let in."""
        ...

    async def begin_at(self, sha: Sha) -> None:
        """Put in force what a state remembers, where the mirror was lost; else do nothing."""
        ...


class Noticeboard(Protocol):
    """Where people are told of what happens."""

    async def post(self, notice: Notice) -> None:
        """Tell of something, once where it is a trouble that stands."""
        ...

    async def over(self, subject: str, problem: str, notice: Notice) -> None:
        """Tell that a trouble is over, where anybody was told of it."""
        ...

    async def settle(self) -> datetime | None:
        """Do what time alone brings: tell again, tell what is owed, forget; say when there is more of that."""
        ...

    async def write(self, letters: Sequence[Letter]) -> None:
        """Put letters of another kind into the outbox."""
        ...


class World:
    """One of each."""

    def __init__(
        self,
        *,
        rooms: Rooms,
        queue: Queue,
        config: Followed,
        force: InForce,
        live: Live,
        news: News,
        notices: Noticeboard,
        refusals: Callable[[Declaration], tuple[Diagnostic, ...]] = lambda _: (),
        papers: Path | None = None,
    ) -> None:
        self.rooms = rooms
        self.queue = queue
        self.config = config
        self.force = force
        self.live = live
        self.news = news
        self.notices = notices
        self.refusals = refusals
        """Says what of a declaration this controller does not allow on its own machine."""
        self.papers = papers
        """The folder of our certificates, whose ends people are warned of; None where there is none."""
        self._was_held = False
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

    async def add(self, key: Key, *, after: float = 0.0, priority: int = 0) -> None:
        """Have a key reconciled in so many seconds; harmless however often it is said."""
        await self.queue.add(str(key), after=after, priority=priority)

    async def poke(self, key: Key, *, why: str, after: float = 0.0) -> None:
        """Wish that somebody looks now; the wish outlives the process.

        Args:
            key: what to look at.
            why: who wants it, for those who watch.
            after: the first wish is heard at once; one that comes within so many seconds of another is heard when they are over.
        """
        now = self.rooms.clock.now()
        last = await self.poked(key) if after else None
        await self.rooms.store.marks.put(f"{POKE}{key}", now.isoformat())
        self.news.tell("poke", str(key), why=why)
        pause = 0.0 if last is None else after - (now - last).total_seconds()
        await self.add(key, after=min(max(pause, 0.0), after), priority=URGENT)

    async def poked(self, key: Key) -> datetime | None:
        """Say when somebody last wished for a look."""
        return await self._moment(f"{POKE}{key}")

    async def looking(self, key: Key) -> None:
        """Note that a look begins now, which answers every wish until now."""
        await self.rooms.store.marks.put(f"{LOOKED}{key}", self.rooms.clock.now().isoformat())

    async def looked_in_vain(self, key: Key) -> None:
        """Note that a look failed: it answered no wish, and the next one need not wait until its interval is over."""
        began = await self.rooms.store.marks.get(f"{LOOKED}{key}")
        if began is not None:
            await self.rooms.store.marks.swap(f"{LOOKED}{key}", began, None)

    async def wanted(self, key: Key) -> bool:
        """Say whether somebody wished for a look that no look answered yet; one of a clock that was ahead answers none."""
        poked = await self.poked(key)
        if poked is None:
            return False
        looked = await self._moment(f"{LOOKED}{key}")
        return looked is None or poked >= looked or looked > self.rooms.clock.now()

    async def _moment(self, mark: str) -> datetime | None:
        text = await self.rooms.store.marks.get(mark)
        return None if text is None else datetime.fromisoformat(text)

    async def say(self, key: Key, said: Said | None) -> bool:
        """Say of a key why it does not go on, None: it does; tell whether that is news."""
        news = await say(self.rooms.store.marks, str(key), said, self.rooms.clock.now())
        if news:
            self.news.tell(
                "condition",
                str(key),
                reason=None if said is None else said.reason,
                message=None if said is None else said.message,
            )
        return news

    async def forget(self, key: Key, *more: str) -> None:
        """Let go of all that is kept of a key that is no longer declared, and of further marks: names come and go."""
        await self.say(key, None)
        marks = self.rooms.store.marks
        for name in (f"{POKE}{key}", f"{LOOKED}{key}", *more):
            value = await marks.get(name)
            if value is not None:
                await marks.swap(name, value, None)

    async def held(self) -> str | None:
        """Say why nothing may be carried out now; None where all may."""
        why = await self.rooms.store.marks.get(HELD)
        self._was_held = why is not None
        return why

    async def follow_hold(self) -> None:
        """Have everything looked at when what was held was let go, by whichever process; called with every heartbeat."""
        before = self._was_held
        if await self.held() is None and before:
            self.changed.set()
