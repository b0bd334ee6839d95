"""Claims that are held: renewed in time, told lost when they are, and those of dead workers set free.

Called by `postgres`; calls PostgreSQL. A worker that could not renew for the time of a lease has lost its claims whatever the table says:
others may have taken them.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from controller.errors import StateError
from controller.workqueue.port import Claim
from controller.workqueue.statements import REAP, RENEW, SWEEP
from controller.workqueue.wire import Wire

SWEPT: Final = 60.0
"""Seconds between two sweeps of rows that nothing waits for."""


@dataclass(slots=True, kw_only=True)
class _Held:
    """A claim, until when it is ours for certain, and who waits to hear that it is not."""

    claim: Claim
    until: float
    gone: asyncio.Event = field(default_factory=asyncio.Event)


class Keeping:
    """The claims of one process."""

    def __init__(self, wire: Wire, *, lease: float) -> None:
        self.lease = lease
        self._wire = wire
        self._held: dict[int, _Held] = {}

    def hold(self, claim: Claim, *, asked_at: float) -> None:
        """Renew a claim from now on; `asked_at` is when the loop's clock said that it was asked for."""
        self._held[claim.token] = _Held(claim=claim, until=asked_at + self.lease)

    def let_go(self, claim: Claim) -> None:
        """Renew a claim no more, and tell who waits."""
        held = self._held.pop(claim.token, None)
        if held is not None:
            held.gone.set()

    def holds(self, claim: Claim) -> bool:
        """Whether a claim is ours as far as we know."""
        return claim.token in self._held

    async def lost(self, claim: Claim) -> None:
        """Come back once a claim is no longer ours."""
        held = self._held.get(claim.token)
        if held is not None:
            await held.gone.wait()

    async def keep(self) -> None:
        """Renew, set free and sweep until cancelled."""
        loop = asyncio.get_running_loop()
        swept = loop.time()
        while True:
            pause = self.lease / 3
            try:
                await self._renew()
                await self._wire.run(REAP, {}, patience=0)
                if loop.time() - swept > SWEPT:
                    await self._wire.run(SWEEP, {}, patience=0)
                    swept = loop.time()
            except StateError:
                pause = min(self.lease / 15, 1.0)  # `watch` tells what is not renewed in time
            await asyncio.sleep(pause)

    async def watch(self) -> None:
        """Lose what was not renewed in time, until cancelled; this asks nobody, so nothing can hold it up."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self.lease / 15)
            for held in tuple(self._held.values()):
                if held.until <= loop.time():
                    self.let_go(held.claim)

    def lose_all(self) -> None:
        """Hold nothing any more."""
        for held in tuple(self._held.values()):
            self.let_go(held.claim)

    async def _renew(self) -> None:
        """Renew what is held; a claim that the table does not know as ours is lost."""
        asked_at = asyncio.get_running_loop().time()
        mine = dict(
            self._held
        )  # taken before the question: a claim that comes meanwhile is not missing
        if not mine:
            return
        values = {
            "keys": [held.claim.key for held in mine.values()],
            "tokens": list(mine),
            "lease": self.lease,
        }
        rows = await self._wire.run(RENEW, values, patience=0)
        found = {row[0]: row[1] for row in rows}
        for token, held in mine.items():
            if token not in found:
                self.let_go(held.claim)
            elif found[token]:
                held.until = asked_at + self.lease
