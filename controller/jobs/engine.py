"""The engine: records runs, carries them out, and takes up what was left behind.

Called by `reconcile`; calls `conductor` for what is to be done together, `crew` for single jobs, the store and the
activity log. What has started on a server goes on whatever happens here; `settle` finds it again.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from controller.errors import NotFoundError, RefusedError, StateError
from controller.jobs.accept import accept, read_secrets
from controller.jobs.board import Board
from controller.jobs.conductor import Conductor
from controller.jobs.crew import Crew
from controller.jobs.holding import Holding
from controller.jobs.input import Input
from controller.jobs.job import UNREACHABLE
from controller.jobs.known import recall
from controller.jobs.machine import Signal
from controller.jobs.patience import wait_until
from controller.jobs.peek import peek
from controller.jobs.ports import Equipment
from controller.jobs.reasons import HALTED
from controller.jobs.recovery import Move, recover
from controller.jobs.report import RunReport, SettleReport, count
from controller.jobs.resolve import resolve
from controller.jobs.shift import Shift, record_halts, unbegun
from controller.jobs.stop import stop_on_server
from controller.jobs.tally import Fate, fate_of, halted
from controller.jobs.traffic import Traffic
from controller.model.ids import JobId, RunId
from controller.model.job import Job, JobBody, Run, State

ALL: Final = 1_000_000
"""More jobs than a run can have."""
PARALLEL: Final = 50
"""Jobs driven at once, if nothing else is said."""
LATELY: Final = 50
"""So many of the newest runs are looked at for one whose end was not written down."""
LEFT_BEHIND: Final = RunId("")
"""Stands for no run: jobs of several are taken up together."""


class Engine:
    """Carries out runs on servers."""

    def __init__(self, equipment: Equipment) -> None:
        self._equipment = equipment
        self._store = equipment.store
        self._crew = Crew(equipment)
        self.holding = Holding(self._crew)
        """Pauses jobs, and lets them go on."""
        self._traffic = Traffic(equipment.store, equipment.clock)
        self._led: dict[RunId, Conductor] = {}

    @property
    def shared(self) -> bool:
        """Whether somebody drives what is recorded without being asked: nobody does."""
        return False

    @property
    def fatal(self) -> StateError | None:
        """Why nothing is driven any more: the state could not be written."""
        return self._crew.fatal

    async def submit(self, run: Run, jobs: Sequence[tuple[Job, JobBody]]) -> None:
        """Record a run and its jobs; nothing leaves the controller by this.

        Raises:
            SecretError: a secret of one of the jobs cannot be read.
            DeclarationError: a step would get an environment that no process can be given.
        """
        await accept(self._equipment, run, jobs)

    async def drive(
        self,
        run: RunId,
        *,
        parallel: int = PARALLEL,
        within: float | None = None,
        stdin: bytes | None = None,
    ) -> RunReport:
        """Drive the jobs of a run until they have ended, or nothing more can be done for them now.

        Args:
            run: a run that was submitted.
            parallel: how many jobs at once.
            within: seconds to wait at most; the work goes on.
            stdin: what the first step of each job reads that is recorded as fed.

        Raises:
            NotFoundError: there is no such run.
            StateError: the store cannot be written any more.
        """
        recorded = await self._store.runs.get(run)
        if recorded is None:
            raise NotFoundError(f"cannot drive run {run}: it was never recorded")
        jobs = await self._store.jobs.list(run=run, limit=ALL)
        for job in jobs:
            self._crew.troubles.pop(job.id, None)  # of an earlier time
        waiting = await self._drive(jobs, parallel, within, run=recorded, stdin=stdin)
        await self._finish_if_over(recorded.id)
        return await self.report(run, waiting=waiting)

    async def report(self, run: RunId, *, waiting: bool = False) -> RunReport:
        """Say how a run stands.

        Raises:
            NotFoundError: there is no such run.
        """
        recorded = await self._store.runs.get(run)
        if recorded is None:
            raise NotFoundError(f"cannot report on run {run}: it was never recorded")
        jobs = tuple(reversed(await self._store.jobs.list(run=run, limit=ALL)))
        return RunReport(
            run=run,
            jobs=jobs,
            counts=count(jobs),
            waiting=waiting,
            halted=recorded.halted,
            troubles=self._troubles(job.id for job in jobs),
        )

    async def withdraw(self, jobs: Mapping[JobId, str]) -> None:
        """Have jobs skipped of which nothing ever left, with the reason of each; what has begun goes on.

        One that a run is driven with is skipped soon, one on its way to its server when that is reached; all others now.
        """
        for id_, reason in jobs.items():
            job = await self._store.jobs.get(id_)
            if job is None or job.state is not State.PENDING:
                continue
            led = self._led.get(job.run)
            if led is not None and led.withdraw(id_, reason):
                continue
            if (await self._crew.end(job, unbegun(reason), reason)).state.ended:
                await self._finish_if_over(job.run)
        if self._crew.fatal is not None:
            raise self._crew.fatal

    async def settle(
        self, *, within: float | None = None, parallel: int = PARALLEL
    ) -> SettleReport:
        """Take up every job that was left behind: collect what ended, follow what runs, do the steps that remain.

        When nothing runs any more, jobs of which nothing ever left are ended: they will be planned anew, but for those of
        a rollout that is halted.

        Args:
            within: seconds to wait at most for what runs.
            parallel: how many jobs at once.
        """
        found = {job.id: job for job in await self._store.jobs.open()}
        moves = recover(found.values())
        left = [found[each.job] for each in moves if each.move is Move.RESUME]
        waiting = await self._drive(left, parallel, within)
        dropped = [found[each.job] for each in moves if each.move is Move.DROP]
        if not waiting:
            await self._drop(dropped)
        after = await self._as_they_stand(found)
        for run in await self._store.runs.list(limit=LATELY):
            if run.finished_at is None:
                await self._finish_if_over(run.id)
        return SettleReport(jobs=after, waiting=waiting, troubles=self._troubles(found))

    async def stop(
        self, id_: JobId, *, step: str | None = None, grace: float = 10.0, alone: bool
    ) -> Job:
        """Stop a job, or one of its steps, wherever it is driven; what it started is gone when this returns.

        Args:
            id_: the job.
            step: only this step; the job goes on without it.
            grace: seconds between TERM and KILL.
            alone: whether nobody else drives jobs of this state now; then the job is brought to its end here.

        Raises:
            NotFoundError: there is no such job or step.
            RefusedError: it has ended.
            TransportError: the server is not reached; the wish is recorded all the same.
        """
        body = await self._store.jobs.body(id_)
        async with self._crew.links.to(body.server) as link:
            await stop_on_server(self._equipment, link, id_, step=step, grace=grace)
        job = await self._store.jobs.get(id_)
        if alone and job is not None:
            await self._crew.drive(job, body, await recall(self._store, [body]), None)
            job = await self._store.jobs.get(id_)
        if job is None:
            raise NotFoundError(f"cannot find job {id_}")
        return job

    async def take_up(self, id_: JobId) -> Job:
        """Drive one job that nobody drives now as far as that goes, as `settle` would; one that never began is left.

        Raises:
            NotFoundError: there is no such job.
            StateError: the store cannot be written any more.
        """
        job = await self._store.jobs.get(id_)
        if job is None:
            raise NotFoundError(f"cannot find job {id_}: it was never recorded")
        if [each.move for each in recover([job])] == [Move.RESUME]:
            body = await self._store.jobs.body(id_)
            job = await self._crew.drive(job, body, await recall(self._store, [body]), None)
        if self._crew.fatal is not None:
            raise self._crew.fatal
        return job

    async def peek(self, id_: JobId) -> None:
        """Store what a job said on its server, without taking it up; raises what `peek.peek` does."""
        await peek(self._crew, id_)

    def input(self, job: JobId, *, step: str | None = None) -> Input:
        """Give the way to the standard input of a job, or of one of its steps."""
        return Input(self._crew, job, step)

    async def resolve(self, id_: JobId, *, signal: Signal, reason: str) -> Job:
        """End a lost job as a person says it ended.

        Args:
            id_: the job.
            signal: `SUCCEED` or `FAIL`.
            reason: why, in the person's words.

        Raises:
            NotFoundError: there is no such job.
            RefusedError: it is not lost.
        """
        told = {"job": id_, "as": signal, "reason": reason}
        job = await self._store.jobs.get(id_)
        if job is None:
            raise NotFoundError(f"cannot resolve job {id_}: it was never recorded")
        if job.state is not State.LOST:
            raise RefusedError(f"cannot resolve job {id_}: it is {job.state}, not lost")
        body = await self._store.jobs.body(id_)
        known = await recall(self._store, [body])
        await self._equipment.activity.append("job-resolving", self._equipment.actor, **told)
        recorder = await self._crew.recorder(job)
        values = await read_secrets(self._equipment, body)
        async with self._crew.links.to(body.server) as link:
            assignment = self._crew.assignment(recorder, link, body, known, values=values)
            job = await resolve(assignment, signal=signal, reason=reason)
        await self._equipment.activity.append("job-resolved", self._equipment.actor, **told)
        return job

    def halt(self) -> None:
        """Stop waiting and start nothing more; what has started goes on."""
        self._crew.stopping.set()

    async def _drive(
        self,
        jobs: Sequence[Job],
        parallel: int,
        within: float | None,
        *,
        run: Run | None = None,
        stdin: bytes | None = None,
    ) -> bool:
        """Drive jobs by the orders of their run; say whether work went on when the waiting ended."""
        open_ = {
            job.id: job
            for job in jobs
            if run is None or not job.state.ended or job.state is State.LOST
        }
        if not open_:
            return False
        crew = self._crew
        bodies = await self._store.jobs.bodies(open_)
        shift = Shift(
            crew=crew,
            jobs=open_,
            bodies=bodies,
            known=await recall(self._store, bodies.values()),
            run=run,
            stdin=stdin,
        )
        board = Board(
            jobs,
            orders={} if run is None else run.orders,
            budgets=() if run is None else run.budgets,
            parallel=parallel,
            widths=_widths(bodies.values()),
            to_do=open_.keys(),
        )
        conductor = Conductor(
            LEFT_BEHIND if run is None else run.id,
            board,
            shift,
            clock=self._equipment.clock,
            links=crew.links,
            traffic=self._traffic,
            stopping=crew.stopping.is_set,
        )
        if run is not None:
            self._led[run.id] = conductor
        work = asyncio.create_task(conductor.lead())
        try:
            done = await wait_until(work, crew.stopping, self._equipment.clock, within)
        finally:
            self._led.pop(LEFT_BEHIND if run is None else run.id, None)
        if crew.fatal is not None:
            raise crew.fatal
        if not done:
            await self._equipment.activity.append(
                "waiting-ended", self._equipment.actor, jobs=len(open_), within=within
            )
        return not done

    async def _as_they_stand(self, jobs: Iterable[JobId]) -> tuple[Job, ...]:
        """Read jobs again."""
        found = [await self._store.jobs.get(id_) for id_ in jobs]
        return tuple(job for job in found if job is not None)

    async def _drop(self, jobs: Sequence[Job]) -> None:
        """End jobs of which nothing ever left: those of a rollout that is halted as such, the others to be planned anew."""
        halts = {run: await self._halts_of(run) for run in dict.fromkeys(job.run for job in jobs)}
        for job in jobs:
            if job.target in halts[job.run]:
                why = UNREACHABLE if fate_of(job) is Fate.UNREACHABLE else HALTED
                await self._crew.end(job, Signal.SKIP, why)
            else:
                await self._crew.end(job, Signal.CANCEL, "it never began, and is planned anew")
            if self._crew.fatal is not None:
                raise self._crew.fatal

    async def _halts_of(self, id_: RunId) -> Mapping[str, str]:
        """Say which targets of a run are halted; what its controller had no time to write down is written down now."""
        run = await self._store.runs.get(id_)
        if run is None or not run.orders:
            return {}
        found = halted(run.orders, await self._store.jobs.list(run=id_, limit=ALL))
        await record_halts(self._crew, id_, found)
        return {**run.halted, **found}

    async def _finish_if_over(self, id_: RunId) -> None:
        """Record that a run is over when none of its jobs is open, and which targets of it are halted."""
        await self._halts_of(id_)
        run = await self._store.runs.get(id_)
        if run is None or run.finished_at is not None:
            return
        jobs = await self._store.jobs.list(run=id_, limit=ALL)
        if all(job.state.ended for job in jobs):
            await self._store.runs.finish(replace(run, finished_at=self._equipment.clock.now()))

    def _troubles(self, jobs: Iterable[JobId]) -> dict[JobId, str]:
        """Say of which of these jobs the controller could not go on, and why."""
        return {id_: self._crew.troubles[id_] for id_ in jobs if id_ in self._crew.troubles}


def _widths(bodies: Iterable[JobBody]) -> dict[str, int]:
    """Say how many jobs may be on each server at once."""
    widths: dict[str, int] = {}
    for body in bodies:
        name = body.server.name
        widths[name] = max(widths.get(name, 1), body.server.concurrency)
    return widths
