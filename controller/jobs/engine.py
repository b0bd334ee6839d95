"""The engine: records runs, carries them out, and takes up what was left behind.

Called by `reconcile`; calls `driving` for what is to be done together, `crew` for single jobs, `closing` when a run is over,
the store and the activity log. What has started on a server goes on whatever happens here; `settle` finds it again.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from controller.errors import NotFoundError, StateError
from controller.jobs.accept import accept
from controller.jobs.closing import ALL, drop, finish_if_over
from controller.jobs.crew import Crew
from controller.jobs.driving import Driving
from controller.jobs.holding import Holding
from controller.jobs.input import Input
from controller.jobs.known import recall
from controller.jobs.machine import Signal
from controller.jobs.peek import peek
from controller.jobs.ports import Equipment
from controller.jobs.recovery import Move, recover
from controller.jobs.report import RunReport, SettleReport, count
from controller.jobs.resolve import resolve
from controller.jobs.shift import unbegun
from controller.jobs.stop import stop_on_server
from controller.model.ids import JobId, RunId
from controller.model.job import Job, JobBody, Run, State

PARALLEL: Final = 50
"""Jobs driven at once, if nothing else is said."""
LATELY: Final = 50
"""So many of the newest runs are looked at for one whose end was not written down."""


class Engine:
    """Carries out runs on servers."""

    def __init__(self, equipment: Equipment) -> None:
        self._equipment = equipment
        self._store = equipment.store
        self._crew = Crew(equipment)
        self.holding = Holding(self._crew)
        """Pauses jobs, and lets them go on."""
        self._driving = Driving(self._crew)

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
        waiting = await self._driving.together(jobs, parallel, within, run=recorded, stdin=stdin)
        await finish_if_over(self._crew, recorded.id)
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
            if self._driving.withdraw(job, reason):
                continue
            if (await self._crew.end(job, unbegun(reason), reason)).state.ended:
                await finish_if_over(self._crew, job.run)
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
        waiting = await self._driving.together(left, parallel, within)
        dropped = [found[each.job] for each in moves if each.move is Move.DROP]
        if not waiting:
            await drop(self._crew, dropped)
        after = await self._as_they_stand(found)
        for run in await self._store.runs.list(limit=LATELY):
            if run.finished_at is None:
                await finish_if_over(self._crew, run.id)
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
            await self._crew.drive(job, body, await recall(self._store, [(job, body)]), None)
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
            job = await self._crew.drive(job, body, await recall(self._store, [(job, body)]), None)
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
        return await resolve(self._crew, id_, signal=signal, reason=reason)

    def halt(self) -> None:
        """Stop waiting and start nothing more; what has started goes on."""
        self._crew.stopping.set()

    async def _as_they_stand(self, jobs: Iterable[JobId]) -> tuple[Job, ...]:
        """Read jobs again."""
        found = [await self._store.jobs.get(id_) for id_ in jobs]
        return tuple(job for job in found if job is not None)

    def _troubles(self, jobs: Iterable[JobId]) -> dict[JobId, str]:
        """Say of which of these jobs the controller could not go on, and why."""
        return {id_: self._crew.troubles[id_] for id_ in jobs if id_ in self._crew.troubles}
