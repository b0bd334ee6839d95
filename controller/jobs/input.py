"""Standard input for a job that runs, from a person who follows it.

Called by `reconcile` for `ctl jobs attach`; calls the session. Nothing of it is kept: what was lost on the way is told, and never
said twice.
"""

from contextlib import AsyncExitStack

from controller.errors import NeedsAgentError, RefusedError
from controller.jobs.crew import Crew
from controller.jobs.link import Link
from controller.model.ids import AttemptId, JobId
from controller.model.inventory import Server
from controller.model.job import Job, State
from controller.transport.port import Offer

TAKES: frozenset[State] = frozenset({State.DISPATCHED, State.RUNNING, State.PAUSED})


class Input:
    """The way to the standard input of one job, or of one of its steps; open until `close`."""

    def __init__(self, crew: Crew, job: JobId, step: str | None) -> None:
        self._crew = crew
        self._jobs = crew.equipment.store.jobs
        self._job = job
        self._step = step
        self._way = AsyncExitStack()
        self._link: Link | None = None

    async def close(self) -> None:
        """Let go of the way to the server; the input stays open."""
        self._link = None
        await self._way.aclose()

    async def refusal(self) -> str | None:
        """Say in words why input is not taken; None where it is, now or by a step to come.

        Raises:
            TransportError: the server is not reached.
        """
        body = await self._jobs.body(self._job)
        steps = [each for each in body.work.steps if self._step in {None, each.name}]
        if not any(each.interactive for each in steps):
            return "it was not begun with --interactive"
        offers = (await (await self._open(body.server)).session()).facts.offers
        return None if Offer.INPUT in offers else f"{body.server.name} has no agent that takes it"

    async def ready(self) -> bool:
        """Say whether something runs now that takes input."""
        return await self._attempt() is not None

    async def feed(self, data: bytes, *, close: bool = False) -> None:
        """Give it to the attempt that takes input now, each byte at most once.

        Raises:
            RefusedError: none takes it now.
            TransportError: the server is not reached; it is not known whether it took what was given.
        """
        attempt = await self._attempt()
        if attempt is None:
            raise RefusedError(f"cannot feed job {self._job}: nothing of it takes input now")
        body = await self._jobs.body(self._job)
        session = await (await self._open(body.server)).session()
        if Offer.INPUT not in session.facts.offers:
            raise NeedsAgentError(
                f"cannot feed job {self._job}: {body.server.name} is reached without an agent that can",
                hint=f"ctl agent install --on {body.server.name}, then declare agent: {{}}",
            )
        await session.feed(attempt, data, close=close)

    async def _open(self, server: Server) -> Link:
        """Give the way to the server, the same as long as this is open: what is typed stays in order on one session."""
        if self._link is None:
            self._link = await self._way.enter_async_context(self._crew.links.to(server))
        return self._link

    async def _attempt(self) -> AttemptId | None:
        """Find the newest attempt that takes input."""
        job = await self._jobs.get(self._job)
        body = await self._jobs.body(self._job)
        open_ = {each.name for each in body.work.steps if each.interactive}
        return None if job is None else _newest(job, open_, self._step)


def _newest(job: Job, interactive: set[str], step: str | None) -> AttemptId | None:
    found = [
        attempt.id
        for each in job.steps
        if each.name in interactive and step in {None, each.name}
        for attempt in each.attempts
        if attempt.state in TAKES
    ]
    return found[-1] if found else None
