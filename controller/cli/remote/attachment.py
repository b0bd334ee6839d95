"""Following a job of a serving controller: what it says, and what a person types for it.

Made by `jobs`; reads its output as it grows.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final, Protocol

from controller.cli.remote.client import Client
from controller.cli.remote.output import chunks
from controller.cli.remote.reading import report_of
from controller.cli.standard import ending
from controller.model.ids import JobId
from controller.model.job import Job
from controller.reconcile.exchange.reports import LogChunk, RunReport

LOOK_SECONDS: Final = 0.3
"""Silence after which whoever reads is told that nothing is new."""


class Jobs(Protocol):
    """What of the jobs over there is needed."""

    async def find(self, prefix: str) -> Job:
        """Find a job."""
        ...

    async def feed(
        self, job: JobId, data: bytes, *, step: str | None = None, close: bool = False
    ) -> None:
        """Give standard input."""
        ...


class RemoteAttachment:
    """A job over there that is being followed."""

    def __init__(self, client: Client, jobs: Jobs, job: Job, step: str | None) -> None:
        self._client = client
        self._jobs = jobs
        self._job = job
        self._step = step

    @property
    def job(self) -> Job:
        """The job as it was last seen."""
        return self._job

    async def output(self) -> AsyncIterator[LogChunk | None]:
        """Give everything it said and says until it has ended; None whenever there is nothing new for a moment."""
        told = chunks(self._client, self._job.id, self._step, follow=True)
        async with ending(told) as source:
            waiting = asyncio.ensure_future(anext(source, None))
            try:
                while True:
                    done, _ = await asyncio.wait({waiting}, timeout=LOOK_SECONDS)
                    if not done:
                        yield None
                        continue
                    chunk = waiting.result()
                    if chunk is None:
                        break
                    yield chunk
                    waiting = asyncio.ensure_future(anext(source, None))
            finally:
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)
        self._job = await self._jobs.find(self._job.id)

    async def refusal(self) -> str | None:
        """Say in words why input is not taken; None where it is."""
        return "it has ended" if self._job.state.ended else None

    async def feed(self, data: bytes, *, close: bool = False) -> None:
        """Give it to what takes input; `close` ends it."""
        await self._jobs.feed(self._job.id, data, step=self._step, close=close)

    def report(self) -> RunReport:
        """Say how it ended, as of a run of this job alone."""
        return report_of({}, None, (self._job,))
