"""Which servers are being worked on now, by whichever run.

Kept by `driving` for all runs that are led; what other processes drive is read from the store. Asked by `conductor`, for
budgets that hold across all runs.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta

from controller.clock import Clock
from controller.jobs.board import Elsewhere, Rank
from controller.jobs.schedule import RECHECK
from controller.model.ids import RunId
from controller.model.job import State
from controller.store.ports import Store


class Traffic:
    """Jobs in flight by run and server."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._busy: dict[RunId, Counter[str]] = defaultdict(Counter)
        self._bells: dict[RunId, asyncio.Event] = {}
        self._wants: dict[RunId, Mapping[str, Rank]] = {}
        self._others: tuple[tuple[RunId, str, State], ...] = ()
        self._read_at: datetime | None = None

    def join(self, run: RunId, bell: asyncio.Event) -> None:
        """Note that a run is driven here; its bell rings when another run leaves a server."""
        self._bells[run] = bell

    def part(self, run: RunId) -> None:
        """Note that a run is not driven here any more."""
        self.want(run, {})
        self._bells.pop(run, None)
        self._busy.pop(run, None)

    def enter(self, run: RunId, server: str) -> None:
        """Note that a job of a run begins on a server."""
        self._busy[run][server] += 1

    def leave(self, run: RunId, server: str) -> None:
        """Note that a job of a run has left a server."""
        self._busy[run][server] -= 1
        self._busy[run] += Counter()  # drops what is zero
        self._ring(run)

    def want(self, run: RunId, servers: Mapping[str, Rank]) -> None:
        """Note on which servers a run waits for a place, and how urgently; who gave way to it hears when it does no more."""
        before = self._wants.pop(run, {})
        if servers:
            self._wants[run] = servers
        if before.keys() - servers.keys():
            self._ring(run)

    def _ring(self, run: RunId) -> None:
        """Wake all other runs."""
        for other, bell in self._bells.items():
            if other != run:
                bell.set()

    async def refresh(self) -> None:
        """Read again what other processes drive, if that was last done some seconds ago."""
        now = self._clock.now()
        if self._read_at is None or now - self._read_at >= timedelta(seconds=RECHECK):
            self._read_at = now
            found = await self._store.jobs.open()
            flying = (job for job in found if job.state is not State.PENDING)
            self._others = tuple((job.run, job.server, job.state) for job in flying)

    def around(self, run: RunId) -> Elsewhere:
        """Say where other runs are at work."""
        busy: Counter[str] = Counter()
        for other, servers in self._busy.items():
            if other != run:
                busy += servers
        others = [each for each in self._others if each[0] != run and each[0] not in self._bells]
        busy += Counter(server for _, server, state in others if state is not State.LOST)
        return Elsewhere(
            busy=busy,
            down=frozenset(s for _, s, st in others if st is State.LOST),
            wanted=self._wanted(run),
        )

    def _wanted(self, run: RunId) -> dict[str, Rank]:
        """Say on which servers other runs wait, and how urgent the most urgent of them is."""
        found: dict[str, Rank] = {}
        for other, servers in self._wants.items():
            if other != run:
                for server, rank in servers.items():
                    found[server] = min(rank, found.get(server, rank))
        return found
