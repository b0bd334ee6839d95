"""Leading the jobs of a run through the schedule: begin what is due, skip what never will be, wait for the next moment.

Called by `driving`; a `Driver` says how a job is driven; asks `schedule` what is next, and keeps the way to a server open while
jobs of it are left.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Final, Protocol

from controller.clock import Clock
from controller.jobs.board import Board
from controller.jobs.link import Links
from controller.jobs.schedule import Decision, decide
from controller.jobs.traffic import Traffic
from controller.model.ids import JobId, RunId
from controller.model.inventory import Server
from controller.model.job import Job

KEPT: Final = 256
"""Ways that are kept open at most for servers that have jobs left and none under way."""


class Driver(Protocol):
    """What can be done with the jobs of a run."""

    def server(self, job: JobId) -> Server:
        """Give the server of a job."""
        ...

    async def drive(self, job: Job) -> Job:
        """Drive a job as far as that goes now; give it as it stands then."""
        ...

    async def halt(self, halted: Mapping[str, str]) -> None:
        """Write down why nothing more of targets starts; return when that is durable."""
        ...

    @property
    def withdrawn(self) -> dict[JobId, str]:
        """Jobs that are not to begin after all, with the reason of each."""
        ...

    async def skip(self, jobs: Mapping[JobId, str]) -> list[Job]:
        """Write down that jobs will not begin, with the reason of each; give them as they stand then."""
        ...


class Conductor:
    """Leads the jobs on one board."""

    def __init__(
        self,
        run: RunId,
        board: Board,
        driver: Driver,
        *,
        clock: Clock,
        links: Links,
        traffic: Traffic,
        stopping: Callable[[], bool],
    ) -> None:
        self._run = run
        self._board = board
        self._driver = driver
        self._clock = clock
        self._links = links
        self._traffic = traffic
        self._stopping = stopping
        self._bell = asyncio.Event()
        self._ways: dict[str, AsyncExitStack] = {}
        self._halted: Mapping[str, str] = {}
        self._latest = clock.now()

    async def lead(self) -> None:
        """Carry out one decision after the other until nothing is left; what a driver raises ends everything."""
        self._traffic.join(self._run, self._bell)
        try:
            async with asyncio.TaskGroup() as group:
                while self._board.jobs and not self._stopping():
                    await self._carry_out(await self._decide(), group)
        finally:
            self._traffic.part(self._run)
            for server in list(self._ways):
                await self._ways.pop(server).aclose()

    def withdraw(self, job: JobId, reason: str) -> bool:
        """Have a job skipped if it does not begin first; false when it is not led here."""
        if job not in self._board.jobs:
            return False
        self._driver.withdrawn[job] = reason
        self._bell.set()
        return True

    async def _decide(self) -> Decision:
        """Look around and decide; nothing may happen between the two."""
        if self._board.budgets:
            await self._traffic.refresh()
        self._bell.clear()
        withdrawn = {
            id_: why for id_, why in self._driver.withdrawn.items() if self._board.waits(id_)
        }
        if withdrawn:
            return Decision(skip=withdrawn, halted=self._halted)
        self._board.elsewhere = self._traffic.around(self._run)
        decision = decide(self._board, self._now())
        self._traffic.want(self._run, decision.wants)
        return decision

    async def _carry_out(self, decision: Decision, group: asyncio.TaskGroup) -> None:
        """Do what was decided, then wait until something has changed."""
        for id_ in decision.start:
            job = self._board.begin(id_)
            self._traffic.enter(self._run, job.server)
            group.create_task(self._follow(job))
        if decision.halted != self._halted:
            await self._driver.halt(decision.halted)
            self._halted = decision.halted
        if not decision.skip:
            await self._wait(decision.wake_at)
            return
        for job in await self._driver.skip(decision.skip):
            self._board.skip(job, self._now())

    async def _follow(self, job: Job) -> None:
        """Drive one job and note how it ended."""
        server = self._driver.server(job.id)
        if server.name not in self._ways and len(self._board.at[server.name]) > 1:
            await self._keep(server)
        try:
            after = await self._driver.drive(job)
        finally:
            self._traffic.leave(self._run, job.server)
        if not self._stopping():
            self._board.end(after, self._now())
            await self._let_go(job.server)
        self._bell.set()

    async def _keep(self, server: Server) -> None:
        """Keep the way to a server for the jobs that come after this one."""
        self._ways[server.name] = AsyncExitStack()
        await self._ways[server.name].enter_async_context(self._links.to(server))

    async def _let_go(self, server: str) -> None:
        """Give a way back that nobody will use, or that is one too many while nobody does."""
        idle = server not in self._board.busy
        if server in self._ways and (
            server not in self._board.at or (idle and len(self._ways) > KEPT)
        ):
            await self._ways.pop(server).aclose()

    def _now(self) -> datetime:
        """Say what time it is; a machine whose clock is set back meanwhile does not make pauses longer."""
        self._latest = max(self._latest, self._clock.now())
        return self._latest

    async def _wait(self, until: datetime | None) -> None:
        """Wait until something ended, here or in another run, or a moment has come."""
        if until is None:
            await self._bell.wait()
            return
        seconds = (until - self._now()).total_seconds()
        waits = [
            asyncio.ensure_future(self._bell.wait()),
            asyncio.ensure_future(self._clock.sleep(seconds)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if waits[1].done():
                self._latest = max(self._latest, until)
        finally:
            for each in waits:
                each.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
