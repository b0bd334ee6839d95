"""Following a job as if it ran here: what it said, what it says, and what a person types for it.

Called by the desk; calls the output files, which whoever drives the job fills, and the engine. A job that nobody drives is taken
up for as long as somebody follows it, exactly as the next apply would take it up.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from controller.errors import RefusedError, SecretError, TransportError
from controller.jobs.input import Input
from controller.jobs.report import count
from controller.model.job import Job, State
from controller.reconcile.desk.archiving import kept
from controller.reconcile.desk.listening import Listening
from controller.reconcile.desk.minding import engine_now
from controller.reconcile.engines import RunEngine
from controller.reconcile.exchange.reports import LogChunk, RunReport, RunSummary
from controller.reconcile.rooms import Rooms

LOOK_SECONDS: Final = 0.2
"""Between two looks at what is stored."""
ALONE_SECONDS: Final = 2.0
"""Between two looks whether anybody drives the job."""


class Attachment:
    """A job that is being followed; made by `attach`."""

    def __init__(
        self, rooms: Rooms, job: Job, listening: Listening, input_: Input, driving: "_Driving"
    ) -> None:
        self._job = job
        self._rooms = rooms
        self._listening = listening
        self._input = input_
        self._driving = driving

    @property
    def job(self) -> Job:
        """The job as it was last seen."""
        return self._job

    async def output(self) -> AsyncIterator[LogChunk | None]:
        """Give everything it said and says until it has ended; None whenever there is nothing new for a moment.

        Raises:
            StateError: the state cannot be used any more.
        """
        while True:
            self._job = await self._now()
            async for chunk in self._listening.fresh(self.job):
                yield chunk
            if self.job.state.ended and not self._driving.hopes:
                return
            yield None
            await self._driving.rest(LOOK_SECONDS)

    async def refusal(self) -> str | None:
        """Say in words why input is not taken; None where it is."""
        if self.job.state.ended:
            return "it has ended"
        try:
            return await self._input.refusal()
        except TransportError as error:
            return error.message

    async def feed(self, data: bytes, *, close: bool = False) -> None:
        """Give it to what takes input, when something does; `close` ends it.

        Raises:
            RefusedError: the job has ended, or takes no input.
            TransportError: the server is not reached; nobody knows whether it took what was given.
        """
        while not await self._input.ready():
            if (await self._now()).state.ended:
                raise RefusedError(f"cannot feed job {self.job.id}: it has ended")
            await self._rooms.clock.sleep(LOOK_SECONDS)
        await self._input.feed(data, close=close)

    def report(self) -> RunReport:
        """Say how it ended, as of a run of this job alone."""
        counts = count([self.job])
        summary = RunSummary(
            succeeded=counts.succeeded,
            failed=counts.failed,
            unreachable=counts.unreachable,
            skipped=counts.skipped,
            cancelled=counts.cancelled,
            unhealthy=counts.unhealthy,
        )
        going = not self.job.state.ended and not counts.unreachable
        return RunReport(jobs=(self.job,), summary=summary, refused=counts.refused, waiting=going)

    async def _now(self) -> Job:
        return await self._rooms.store.jobs.get(self.job.id) or self.job


class _Driving:
    """Drives a job while nobody else does."""

    def __init__(self, rooms: Rooms, engine: RunEngine, job: Job) -> None:
        self._rooms = rooms
        self._engine = engine
        self._id = job.id
        self.hopes = job.state is State.LOST
        """Whether a lost job may still turn up."""
        self._stored = -1
        self._task = asyncio.create_task(self._drive())

    async def rest(self, seconds: float) -> None:
        """Wait a moment; what went wrong with the driving is raised here."""
        await self._rooms.clock.sleep(seconds)
        if self._task.done():
            self._task.result()

    async def close(self) -> None:
        """Stop driving; what has started goes on."""
        self._engine.halt()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _drive(self) -> None:
        """Take the job up whenever nobody else acts on the state, until it has ended."""
        while True:
            async with self._rooms.saving() as free:
                alone = free and not self._engine.shared
                job = await self._rooms.store.jobs.get(self._id)
                if job is None or (job.state.ended and job.state is not State.LOST):
                    break
                if alone:
                    job = await self._engine.take_up(self._id)
                    if job.state is State.PENDING:
                        raise RefusedError(
                            f"cannot attach to job {job.id}: it never began, and nobody drives it",
                            hint="ctl apply plans it anew",
                        )
                    if job.state.ended:
                        break
            if not alone:
                await self._peek(job)
            await self._rooms.clock.sleep(ALONE_SECONDS)
        self.hopes = False

    async def _peek(self, job: Job) -> None:
        """Fetch what the job said, where whoever holds the state does not: it may be busy with others."""
        attempts = [attempt.id for step in job.steps for attempt in step.attempts]
        before = self._stored
        self._stored = sum([await self._rooms.output.stored(each) for each in attempts])
        if self._stored == before:
            with suppress(TransportError, SecretError):  # it is only a look; the driver says more
                await self._engine.peek(job.id)


@asynccontextmanager
async def attach(rooms: Rooms, job: Job, step: str | None) -> AsyncIterator[Attachment]:
    """Follow a job, or one of its steps; leaving the context leaves it as it is."""
    engine = await engine_now(rooms)
    typing = engine.input(job.id, step=step)
    async with kept(rooms, job) as files:
        listening = Listening(rooms.store, files.output, step=step)
        driving = _Driving(rooms, engine, job)
        try:
            yield Attachment(rooms, job, listening, typing, driving)
        finally:
            await typing.close()
            await driving.close()
