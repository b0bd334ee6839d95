"""The engine: records runs, drives their jobs, and takes up what was left behind.

Called by `reconcile`; calls `job` for each job, the store and the activity log. What has started on a server goes on
whatever happens here; `settle` finds it again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from controller.errors import ControllerError, NotFoundError, RefusedError, SecretError, StateError
from controller.jobs.accept import accept, read_secrets
from controller.jobs.assignment import Assignment
from controller.jobs.job import JobDriver
from controller.jobs.known import Known, recall
from controller.jobs.lanes import drive_lanes
from controller.jobs.ledger import Ledger, Note
from controller.jobs.link import Link, Links
from controller.jobs.machine import Signal
from controller.jobs.patience import wait_until
from controller.jobs.ports import Equipment
from controller.jobs.record import Recorder
from controller.jobs.recovery import Move, recover
from controller.jobs.report import RunReport, SettleReport, count
from controller.jobs.resolve import resolve
from controller.jobs.stop import stop_on_server
from controller.model.ids import JobId, RunId
from controller.model.job import Job, JobBody, Run, State

ALL = 1_000_000
"""More jobs than a run can have."""
PARALLEL = 50
"""Jobs driven at once, if nothing else is said."""


class Engine:
    """Carries out runs on servers."""

    def __init__(self, equipment: Equipment) -> None:
        self._equipment = equipment
        self._links = Links(equipment)
        self._halt = asyncio.Event()
        self._troubles: dict[JobId, str] = {}
        self._fatal: StateError | None = None

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
        if await self._equipment.store.runs.get(run) is None:
            raise NotFoundError(f"cannot drive run {run}: it was never recorded")
        jobs = await self._equipment.store.jobs.list(run=run, limit=ALL)
        waiting = await self._drive([j for j in jobs if not j.state.ended], parallel, within, stdin)
        await self._finish_if_over(run)
        jobs = tuple(reversed(await self._equipment.store.jobs.list(run=run, limit=ALL)))
        troubles = {job.id: self._troubles[job.id] for job in jobs if job.id in self._troubles}
        return RunReport(run=run, jobs=jobs, counts=count(jobs), waiting=waiting, troubles=troubles)

    async def settle(
        self, *, within: float | None = None, parallel: int = PARALLEL
    ) -> SettleReport:
        """Take up every job that was left behind: collect what ended, follow what runs, do the steps that remain.

        Jobs of which nothing ever left are ended: they will be planned anew.

        Args:
            within: seconds to wait at most for what runs.
            parallel: how many jobs at once.
        """
        store = self._equipment.store
        found = {job.id: job for job in await store.jobs.open()}
        moves = recover(found.values())
        for each in moves:
            if each.move is Move.DROP:
                recorder = await self._recorder(found[each.job])
                note = Note(signal=Signal.CANCEL, reason="it never began, and is planned anew")
                await recorder.record(note)
        left = [found[each.job] for each in moves if each.move is Move.RESUME]
        waiting = await self._drive(left, parallel, within, None)
        after = [job for id_ in found if (job := await store.jobs.get(id_)) is not None]
        for run in dict.fromkeys(job.run for job in after if job.state.ended):
            await self._finish_if_over(run)
        troubles = {id_: self._troubles[id_] for id_ in found if id_ in self._troubles}
        return SettleReport(jobs=tuple(after), waiting=waiting, troubles=troubles)

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
        body = await self._equipment.store.jobs.body(id_)
        async with self._links.to(body.server) as link:
            await stop_on_server(self._equipment, link, id_, step=step, grace=grace)
        job = await self._equipment.store.jobs.get(id_)
        if alone and job is not None:
            await self._drive_one(job, body, await recall(self._equipment.store), None)
            job = await self._equipment.store.jobs.get(id_)
        if job is None:
            raise NotFoundError(f"cannot find job {id_}")
        return job

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
        store, told = self._equipment.store, {"job": id_, "as": signal, "reason": reason}
        job = await store.jobs.get(id_)
        if job is None:
            raise NotFoundError(f"cannot resolve job {id_}: it was never recorded")
        if job.state is not State.LOST:
            raise RefusedError(f"cannot resolve job {id_}: it is {job.state}, not lost")
        body, known = await store.jobs.body(id_), await recall(store)
        await self._equipment.activity.append("job-resolving", self._equipment.actor, **told)
        recorder, values = await self._recorder(job), read_secrets(self._equipment, body)
        async with self._links.to(body.server) as link:
            assignment = self._assignment(recorder, link, body, known, values=values)
            job = await resolve(assignment, signal=signal, reason=reason)
        await self._equipment.activity.append("job-resolved", self._equipment.actor, **told)
        return job

    def halt(self) -> None:
        """Stop waiting and start nothing more; what has started goes on."""
        self._halt.set()

    async def _drive(
        self, jobs: Sequence[Job], parallel: int, within: float | None, stdin: bytes | None
    ) -> bool:
        """Drive jobs; say whether work went on when the waiting ended."""
        if not jobs:
            return False
        known = await recall(self._equipment.store)
        pairs = [(job, await self._equipment.store.jobs.body(job.id)) for job in jobs]

        async def drive_one(job: Job, body: JobBody) -> None:
            await self._drive_one(job, body, known, stdin)

        pairs.sort(key=lambda each: (each[0].target or "", each[0].server))
        places = asyncio.Semaphore(parallel)
        work = asyncio.create_task(drive_lanes(pairs, drive_one, places, self._links))
        done = await wait_until(work, self._halt, self._equipment.clock, within)
        if self._fatal is not None:
            raise self._fatal
        if not done:
            await self._equipment.activity.append(
                "waiting-ended", self._equipment.actor, jobs=len(jobs), within=within
            )
        return not done

    async def _drive_one(self, job: Job, body: JobBody, known: Known, stdin: bytes | None) -> None:
        """Drive one job; whatever is wrong with it touches no other, unless the state itself fails."""
        if self._halt.is_set():
            return
        try:
            recorder = await self._recorder(job)
            values = await self._values_now(recorder, body)
            if values is None:
                return
            async with self._links.to(body.server) as link:
                assignment = self._assignment(
                    recorder, link, body, known, values=values, stdin=stdin
                )
                await JobDriver(assignment).run()
        except StateError as error:
            self._fatal = error
            self._halt.set()
        except ControllerError as error:
            await self._tell_of_trouble(job, error)

    def _assignment(
        self,
        recorder: Recorder,
        link: Link,
        body: JobBody,
        known: Known,
        *,
        values: Mapping[str, str],
        stdin: bytes | None = None,
    ) -> Assignment:
        """Put together what the drivers of one job share."""
        return Assignment(
            equipment=self._equipment,
            recorder=recorder,
            link=link,
            body=body,
            previous=known.before(recorder.job, body),
            values=values,
            stdin=stdin,
        )

    async def _values_now(self, recorder: Recorder, body: JobBody) -> dict[str, str] | None:
        """Read the secrets of a job; without them it does not begin, or is left as it is.

        What runs already is not even followed: its output could not be masked.
        """
        try:
            return read_secrets(self._equipment, body)
        except SecretError as error:
            if recorder.job.state is not State.PENDING:
                raise
            await recorder.record(Note(signal=Signal.FAIL, reason=error.message))
            return None

    async def _tell_of_trouble(self, job: Job, error: ControllerError) -> None:
        """Remember why a job is left as it is."""
        message = self._equipment.masker.text(error.message)
        self._troubles[job.id] = message
        await self._equipment.activity.append(
            "job-trouble",
            self._equipment.actor,
            job=job.id,
            error=error.reference,
            message=message,
        )

    async def _recorder(self, job: Job) -> Recorder:
        """Open a job's ledger after its last line."""
        events = await self._equipment.store.jobs.events(job.id)
        return Recorder(self._equipment, Ledger(job=job, seq=events[-1].seq if events else 0))

    async def _finish_if_over(self, id_: RunId) -> None:
        """Record that a run is over when none of its jobs is open."""
        run = await self._equipment.store.runs.get(id_)
        jobs = await self._equipment.store.jobs.list(run=id_, limit=ALL)
        if run is not None and run.finished_at is None and all(job.state.ended for job in jobs):
            over = replace(run, finished_at=self._equipment.clock.now())
            await self._equipment.store.runs.finish(over)
