"""The one engine of a serving process, and the way to it that the faces' questions take.

`Live` is made by `service` and driven by the reconciler of runs. `LiveEngine` is what `Rooms.engine` gives: it records runs, adds their
key to the queue and waits; whoever takes the key drives the run, here or in another process. Nothing is ever taken up by a
question, so what works by hand works under `serve` as it is.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from weakref import WeakValueDictionary

from controller.clock import Clock
from controller.errors import LockedError, NotFoundError, StateAwayError
from controller.jobs.engine import PARALLEL, Engine
from controller.jobs.input import Input
from controller.jobs.job import UNREACHABLE
from controller.jobs.machine import Signal
from controller.jobs.reasons import STOPPED
from controller.jobs.report import RunReport, SettleReport
from controller.model.ids import JobId, RunId
from controller.model.job import Job, JobBody, Run, State
from controller.reconcile.loop.keys import Key, Kind
from controller.reconcile.rooms import Reach
from controller.store.ports import Store
from controller.workqueue.port import Queue

LOOK_SECONDS: Final = 0.5
"""Between two looks whether a run has ended that another process may drive."""
STDIN_SECONDS: Final = 30.0
"""So long a run that reads standard input waits for whoever recorded it to hand that over."""
KEPT_SECONDS: Final = 600.0
"""So long what a run reads is kept here at most: another process may drive it, and never says so."""
STOP_SECONDS: Final = 30.0
"""So long it is waited at most until the end of a stopped job is written down."""


def resting(job: Job) -> bool:
    """Say whether nothing more can be done for a job now: it has ended, or waits for its server to answer."""
    return job.state.ended or (job.state is State.PENDING and job.reason == UNREACHABLE)


class Live:
    """The engine of this process, and what is handed over to it beside the records.

    Args:
        make: makes an engine; another one takes the place of one whose state was out of reach for a while.
        store: the state.
        queue: where runs wait to be driven.
        clock: time.
    """

    def __init__(
        self, make: Callable[[], Engine], *, store: Store, queue: Queue, clock: Clock
    ) -> None:
        self._make = make
        self._engine = make()
        self.clock = clock
        self.store = store
        self._queue = queue
        self._stdin: dict[RunId, tuple[datetime, bytes]] = {}
        self._passes: WeakValueDictionary[RunId, asyncio.Event] = WeakValueDictionary()
        """Kept by those who wait: a run that another process drives is never ended here."""
        self._recording = asyncio.Lock()

    @property
    def engine(self) -> Engine:
        """The engine; one that broke off because the database was away is replaced when it is needed again."""
        if isinstance(self._engine.fatal, StateAwayError):
            self._engine = self._make()
        return self._engine

    def handle(self, _: Reach) -> "LiveEngine":
        """Give a way to the engine; whatever a caller would reach, the generation in force says how."""
        return LiveEngine(self)

    async def submit(self, run: Run, jobs: Sequence[tuple[Job, JobBody]]) -> None:
        """Record a run and its jobs, instead of those of the same pairs that wait for their server.

        Raises:
            LockedError: a job of one of the pairs is at work.
            SecretError: a secret of one of the jobs cannot be read.
            DeclarationError: a step would get an environment that no process can be given.
        """
        async with self._recording:
            waiting = await self._in_the_way(jobs)
            await self.engine.submit(run, jobs)
        await self.engine.withdraw(dict.fromkeys(waiting, f"superseded by run {run.id}"))

    async def _in_the_way(self, jobs: Iterable[tuple[Job, JobBody]]) -> tuple[JobId, ...]:
        """List the jobs of the same pairs that wait for their server, under their earlier names, too.

        Raises:
            LockedError: one of the same pairs is at work.
        """
        pairs = {
            pair
            for job, body in jobs
            if job.target is not None
            for pair in ((job.target, job.server), body.was)
        }
        if not pairs:
            return ()
        there = [one for one in await self.store.jobs.open() if (one.target, one.server) in pairs]
        for one in there:
            if not resting(one):
                raise LockedError(
                    f"cannot run target {one.target} on {one.server}: job {one.id} of run {one.run} "
                    "is at work there",
                    hint=f"ctl jobs logs -f {one.id}",
                )
        return tuple(one.id for one in there if one.state is State.PENDING)

    async def begin(self, run: RunId, stdin: bytes | None = None) -> asyncio.Event:
        """Have a run driven; give what rings when it was driven as far as that goes, by this process."""
        now = self.clock.now()
        for other, (since, _) in tuple(self._stdin.items()):
            if now - since > timedelta(seconds=KEPT_SECONDS):
                del self._stdin[other]
        if stdin is not None:
            self._stdin[run] = now, stdin
        bell = self._passes.setdefault(run, asyncio.Event())
        await self._queue.add(str(Key(Kind.RUN, run)))
        return bell

    async def awaits_input(self, run: Run) -> bool:
        """Say whether whoever recorded a run has yet to hand over what it reads."""
        if run.id in self._stdin or self.clock.now() - run.created_at > timedelta(
            seconds=STDIN_SECONDS
        ):
            return False
        jobs = await self.store.jobs.list(run=run.id, limit=1)
        bodies = await self.store.jobs.bodies(job.id for job in jobs)
        return any(body.fed for body in bodies.values())

    async def drive(self, run: RunId, *, parallel: int = PARALLEL) -> RunReport:
        """Drive a run as far as that goes now, and wake who waits for it; called by the reconciler of runs alone."""
        try:
            _, stdin = self._stdin.get(run, (None, None))
            return await self.engine.drive(run, parallel=parallel, stdin=stdin)
        finally:
            self._stdin.pop(run, None)
            bell = self._passes.pop(run, None)
            if bell is not None:
                bell.set()


class _Holding:
    """Holds jobs that others drive."""

    def __init__(self, live: Live) -> None:
        self._live = live

    async def pause(
        self, id_: JobId, *, step: str | None = None, seconds: float = 0.0, alone: bool
    ) -> Job:
        """Hold a job, or one of its steps; return when its driver has written that down."""
        del alone  # somebody always drives it
        return await self._live.engine.holding.pause(id_, step=step, seconds=seconds, alone=False)

    async def resume(self, id_: JobId, *, alone: bool) -> Job:
        """Let a job go on that is held; return when its driver has written that down."""
        del alone
        return await self._live.engine.holding.resume(id_, alone=False)


class LiveEngine:
    """The engine, for one question."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._halted = asyncio.Event()
        self.holding = _Holding(live)
        """Pauses jobs, and lets them go on."""

    @property
    def shared(self) -> bool:
        """Whether somebody drives everything that is recorded without being asked: the loop does."""
        return True

    async def submit(self, run: Run, jobs: Sequence[tuple[Job, JobBody]]) -> None:
        """Record a run and its jobs; see `Live.submit`."""
        await self._live.submit(run, jobs)

    async def drive(
        self,
        run: RunId,
        *,
        parallel: int = PARALLEL,
        within: float | None = None,
        stdin: bytes | None = None,
    ) -> RunReport:
        """Have a run driven, and wait until it has ended, nothing more can be done for it now, or the time is over.

        Raises:
            NotFoundError: there is no such run.
        """
        del parallel  # the loop has its own
        bell = await self._live.begin(run, stdin)
        clock = self._live.clock
        until = None if within is None else clock.now() + timedelta(seconds=within)
        while True:
            driven = bell.is_set()
            report = await self._live.engine.report(run)
            going = [job for job in report.jobs if not resting(job)]
            if driven or not going:
                left = any(job.id not in report.troubles for job in going)
                return replace(report, waiting=left)
            if self._halted.is_set() or (until is not None and clock.now() >= until):
                return replace(report, waiting=True)
            await self._rest(bell)

    async def settle(
        self, *, within: float | None = None, parallel: int = PARALLEL
    ) -> SettleReport:
        """Find nothing: what was left behind, the loop takes up."""
        del within, parallel
        return SettleReport()

    async def stop(
        self, id_: JobId, *, step: str | None = None, grace: float = 10.0, alone: bool
    ) -> Job:
        """Stop a job, or one of its steps; return when its driver has written that down.

        Raises:
            NotFoundError: there is no such job or step.
            RefusedError: it has ended.
            TransportError: the server is not reached; the wish is recorded all the same.
        """
        del alone
        job = await self._live.engine.stop(id_, step=step, grace=grace, alone=False)
        if job.state is State.PENDING and job.stop_requested:
            await self._live.engine.withdraw({id_: STOPPED})
        await self._live.begin(job.run)
        clock = self._live.clock
        until = clock.now() + timedelta(seconds=STOP_SECONDS)
        while not _stopped(job, step) and clock.now() < until:
            await clock.sleep(LOOK_SECONDS / 2)
            job = await self._job(id_)
        return job

    async def take_up(self, id_: JobId) -> Job:
        """Give a job as it stands: the loop drives it.

        Raises:
            NotFoundError: there is no such job.
        """
        return await self._job(id_)

    async def peek(self, id_: JobId) -> None:
        """Store what a job said on its server; whoever drives it does so all the time."""

    def input(self, job: JobId, *, step: str | None = None) -> Input:
        """Give the way to the standard input of a job, or of one of its steps."""
        return self._live.engine.input(job, step=step)

    async def resolve(self, id_: JobId, *, signal: Signal, reason: str) -> Job:
        """End a lost job as a person says it ended."""
        job = await self._live.engine.resolve(id_, signal=signal, reason=reason)
        await self._live.begin(job.run)
        return job

    def halt(self) -> None:
        """Stop waiting; what has started goes on."""
        self._halted.set()

    async def _rest(self, bell: asyncio.Event) -> None:
        """Wait until something may have happened."""
        waits = [
            asyncio.ensure_future(bell.wait()),
            asyncio.ensure_future(self._halted.wait()),
            asyncio.ensure_future(self._live.clock.sleep(LOOK_SECONDS)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _job(self, id_: JobId) -> Job:
        job = await self._live.store.jobs.get(id_)
        if job is None:
            raise NotFoundError(f"cannot find job {id_}: it was never recorded")
        return job


def _stopped(job: Job, step: str | None) -> bool:
    """Say whether it is written down that a job, or one of its steps, has ended."""
    if step is None:
        return job.state.ended
    return any(each.name == step and each.state.ended for each in job.steps)
