"""News for those who watch: written to the newsroom of the state, and told to whoever waits in this process.

Written by the reconcilers and the engine; read by the API. The newsroom keeps the order; a watcher asks it for what came after the
last number it saw.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from controller.clock import Clock
from controller.errors import StateError
from controller.model.ids import JobId
from controller.model.job import Event, Job
from controller.store.ports_serving import Newsroom

MOST: Final = 10_000
"""News that wait to be written at most; the oldest go first, and are counted."""
WATCH_SECONDS: Final = 1.0
"""Between two looks whether another process has news, where nothing happens here."""

Item = tuple[str, str, Mapping[str, object]]


class Watcher(Protocol):
    """Hears of every change of a job, at once; must be quick and must not raise."""

    def changed(self, job: Job, event: Event) -> None:
        """Hear of an event that was recorded, and of the job after it."""
        ...


class News:
    """Tells what changed."""

    def __init__(self, newsroom: Newsroom, clock: Clock) -> None:
        self._newsroom = newsroom
        self._clock = clock
        self._items: deque[Item] = deque(maxlen=MOST)
        self._there = asyncio.Event()
        self._written = asyncio.Event()
        self.dropped = 0
        """News that were never written, because more came than could be written."""

    def tell(self, kind: str, name: str, **data: object) -> None:
        """Take news down; they are written soon, in order."""
        self.dropped += len(self._items) == MOST
        self._items.append((kind, name, data))
        self._there.set()

    def changed(self, job: Job, event: Event) -> None:
        """Tell of a change of a job or of one of its steps."""
        self.tell(
            "job",
            job.id,
            run=job.run,
            target=job.target,
            server=job.server,
            state=job.state,
            step=event.step,
            step_state=None if event.step is None else event.state,
        )

    def output(self, job: JobId, step: str, data: bytes) -> None:
        """Output is read from its files by those who want it."""

    def fetched(self, job: JobId, path: str, done: int, total: int) -> None:
        """How much of a file has arrived is no news."""

    async def write(self) -> None:
        """Write what was taken down, whenever there is something; for ever.

        Raises:
            StateError: the state cannot be written.
        """
        while True:
            await self._there.wait()
            await self.flush()

    async def flush(self) -> None:
        """Write what was taken down until now; what cannot be written waits for the next time.

        Raises:
            StateError: the state cannot be written.
        """
        self._there.clear()
        items = list(self._items)
        if items:
            self._items.clear()
            try:
                await self._newsroom.append(self._clock.now(), items)
            except StateError:
                self._take_back(items)
                raise
        self._written.set()
        self._written = asyncio.Event()

    def _take_back(self, items: Sequence[Item]) -> None:
        """Have news written again, before those that came meanwhile."""
        both = (*items, *self._items)
        self.dropped += max(0, len(both) - MOST)
        self._items.clear()
        self._items.extend(both)
        self._there.set()

    async def wait(self, seconds: float = WATCH_SECONDS) -> None:
        """Wait until something new was written here, so long at most: others may write, too."""
        written = asyncio.ensure_future(self._written.wait())
        pause = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({written, pause}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in (written, pause):
                each.cancel()
            await asyncio.gather(written, pause, return_exceptions=True)
