"""Holding a job and letting it go on: the wish is recorded first, then every process of it is held on its server.

Called by `engine`; calls the session. Whoever drives the job, here or in another process, begins nothing more of it while the wish
stands, and writes down what its server says. Where nobody drives it, that is written down here.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final

from controller.errors import NeedsAgentError, NotFoundError, RefusedError
from controller.jobs.crew import Crew
from controller.jobs.ledger import Note
from controller.jobs.link import Link
from controller.jobs.machine import Signal
from controller.jobs.pace import GUARD
from controller.jobs.record import Recorder
from controller.jobs.watch import notes_of
from controller.model.ids import AttemptId, JobId
from controller.model.job import Attempt, Job, State, StepRun
from controller.model.wishes import Hold
from controller.transport.port import AttemptStatus, Offer, Phase, Session

SEEN_SECONDS: Final = 30.0
"""So long it is waited at most until whoever drives the job has written down that it is held, or goes on."""
PEEK_SECONDS: Final = 0.2
HOLDABLE: Final = frozenset({State.DISPATCHED, State.RUNNING, State.PAUSED})


class Holding:
    """Holds jobs of one engine's state."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._equipment = crew.equipment
        self._jobs = crew.equipment.store.jobs

    async def pause(
        self, id_: JobId, *, step: str | None = None, seconds: float = 0.0, alone: bool
    ) -> Job:
        """Hold a job, or one of its steps; return when that is written down.

        Args:
            id_: the job.
            step: only this step.
            seconds: so long; 0: until somebody lets it go on.
            alone: whether nobody else drives jobs of this state now.

        Raises:
            NotFoundError: there is no such job or step.
            RefusedError: it has not begun, or has ended.
            NeedsAgentError: its server cannot do that.
            TransportError: the server is not reached; nothing was wished then.
        """
        job = await self._job(id_)
        _check(job, step)
        body = await self._jobs.body(id_)
        now = self._equipment.clock.now()
        hold = Hold(step=step, until=now + timedelta(seconds=seconds) if seconds else None)
        async with self._crew.links.to(body.server) as link:
            _check_offer(await link.session(), job)
            await self._tell("job-pausing", job, step, seconds=seconds)
            if not await self._jobs.wish(id_, lambda wishes: wishes.with_hold(hold)):
                raise RefusedError(f"cannot pause job {id_}: it has ended")
            attempts = _open(await self._job(id_), step)
            for attempt in attempts:
                await link.through(partial(_pause, attempt=attempt.id, seconds=seconds))
            await self._tell("job-paused", job, step, seconds=seconds)
            return await self._written(link, id_, step, _is_held, alone=alone)

    async def resume(self, id_: JobId, *, alone: bool) -> Job:
        """Let a job go on that is held, all of it; return when that is written down.

        Raises:
            NotFoundError: there is no such job.
            RefusedError: it is not held.
            TransportError: the server is not reached; the wish is recorded all the same.
        """
        job = await self._job(id_)
        held = job.wishes.holds or any(step.state is State.PAUSED for step in job.steps)
        if (job.state.ended and job.state is not State.LOST) or not held:
            raise RefusedError(
                f"cannot resume job {id_}: it is {job.state}",
                hint="ctl resume TARGET lifts a suspension, ctl apply --resume RUN goes on with a halted run",
            )
        body = await self._jobs.body(id_)
        await self._tell("job-resuming", job, None)
        await self._jobs.wish(id_, lambda wishes: replace(wishes, holds=()))
        async with self._crew.links.to(body.server) as link:
            await link.session()  # a server that is not reached is said at once
            for attempt in _open(await self._job(id_), None):
                await link.through(partial(_resume, attempt=attempt.id))
            await self._tell("job-resumed", job, None)
            return await self._written(link, id_, None, _goes_on, alone=alone)

    async def _written(
        self,
        link: Link,
        id_: JobId,
        step: str | None,
        wanted: Callable[[Job, str | None], bool],
        *,
        alone: bool,
    ) -> Job:
        """Write down what the server says where nobody drives the job, else wait until its driver has."""
        self._crew.knock.ring()
        if alone:
            recorder = await self._crew.recorder(await self._job(id_))
            await self._write(link, recorder)
            return await self._job(id_)
        clock = self._equipment.clock
        until = clock.now() + timedelta(seconds=SEEN_SECONDS)
        job = await self._job(id_)
        while not (job.state.ended or wanted(job, step)) and clock.now() < until:
            await clock.sleep(PEEK_SECONDS)
            job = await self._job(id_)
        return job

    async def _write(self, link: Link, recorder: Recorder) -> None:
        """Write down of every step whether it is held."""
        for step in recorder.job.steps:
            attempts = _open_of(step)
            for attempt in attempts:
                status = await link.through(partial(_status, attempt=attempt.id))
                if status.phase is Phase.RUNNING and not status.waiting:
                    notes = notes_of(step.name, attempt, paused=status.paused)
                    await recorder.record(*notes)
            if not attempts and step.state in {State.RUNNING, State.PAUSED}:
                held = await recorder.hold(step.name) is not None
                if held is not (step.state is State.PAUSED):
                    signal = Signal.PAUSE if held else Signal.RESUME
                    await recorder.record(Note(signal=signal, step=step.name))

    async def _job(self, id_: JobId) -> Job:
        job = await self._jobs.get(id_)
        if job is None:
            raise NotFoundError(f"cannot find job {id_}: it was never recorded")
        return job

    async def _tell(self, event: str, job: Job, step: str | None, **fields: object) -> None:
        """Write a line of the activity log."""
        told = {"run": job.run, "job": job.id, "server": job.server, "step": step, **fields}
        await self._equipment.activity.append(event, self._equipment.actor, **told)


def _check(job: Job, step: str | None) -> None:
    """Refuse to hold what does not go on."""
    state = job.state
    if step is not None:
        found = next((each for each in job.steps if each.name == step), None)
        if found is None:
            names = ", ".join(each.name for each in job.steps)
            raise NotFoundError(
                f"cannot pause step {step}: job {job.id} has none of that name",
                hint=f"it has {names}",
            )
        if step == GUARD:
            raise RefusedError(f"cannot pause step {step}: it undoes the change in time")
        if found.state.ended:
            raise RefusedError(f"cannot pause step {step} of job {job.id}: it is {found.state}")
    if state not in HOLDABLE:
        raise RefusedError(f"cannot pause job {job.id}: it is {state}")


def _check_offer(session: Session, job: Job) -> None:
    """Refuse before anything is wished what the server cannot do."""
    if Offer.PAUSE not in session.facts.offers:
        raise NeedsAgentError(
            f"cannot pause job {job.id}: {job.server} is reached without an agent that can",
            hint=f"ctl agent install --on {job.server}, then declare agent: {{}}",
        )


def _open(job: Job, step: str | None) -> list[Attempt]:
    """List what may run of a job, or of one of its steps; what undoes the change in time is never held."""
    steps = (each for each in job.steps if step in {None, each.name} and each.name != GUARD)
    return [attempt for each in steps for attempt in _open_of(each)]


def _open_of(step: StepRun) -> list[Attempt]:
    return [each for each in step.attempts if each.state in HOLDABLE or each.state is State.LOST]


def _is_held(job: Job, step: str | None) -> bool:
    """Say whether it is written down that nothing of the job, or of the step, runs."""
    if step is None:
        return job.state is State.PAUSED
    return any(
        each.name == step and each.state in {State.PAUSED, State.PENDING} for each in job.steps
    )


def _goes_on(job: Job, _step: str | None) -> bool:
    """Say whether it is written down that nothing of the job is held any more."""
    return not any(each.state is State.PAUSED for each in job.steps)


async def _pause(session: Session, *, attempt: AttemptId, seconds: float) -> None:
    """Hold an attempt that runs; one that waits for its turn is held when it has begun."""
    status = await session.status(attempt)
    if status.phase is Phase.RUNNING and not status.waiting:
        try:
            await session.pause(attempt, seconds=seconds)
        except RefusedError:
            if (await session.status(attempt)).phase is Phase.RUNNING:
                raise


async def _resume(session: Session, *, attempt: AttemptId) -> None:
    """Let an attempt go on that is held."""
    if (await session.status(attempt)).paused:
        try:
            await session.resume(attempt)
        except RefusedError:
            if (await session.status(attempt)).paused:
                raise


async def _status(session: Session, *, attempt: AttemptId) -> AttemptStatus:
    return await session.status(attempt)
