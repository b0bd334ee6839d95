"""What is done with one job at a time: open its ledger, drive it, skip it, and remember what the controller could not do.

Called by `engine`, `shift`, `closing`, `holding` and `resolve`; calls `job`, the store and the activity log. Whatever is wrong with one job touches no
other, unless the state itself cannot be written: then all work here stops.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from controller.errors import ControllerError, SecretError, StateError
from controller.jobs.accept import read_secrets
from controller.jobs.assignment import Assignment
from controller.jobs.job import JobDriver
from controller.jobs.knock import Knock
from controller.jobs.known import Known
from controller.jobs.ledger import Ledger, Note
from controller.jobs.link import Link, Links
from controller.jobs.machine import Signal
from controller.jobs.ports import Equipment
from controller.jobs.record import Recorder
from controller.model.ids import JobId
from controller.model.job import Job, JobBody, State

TROUBLES: Final = 10_000
"""Jobs of which it is remembered why the controller could not go on; of older ones only the log tells."""


class Crew:
    """Does single jobs; shared by everything an engine does."""

    def __init__(self, equipment: Equipment) -> None:
        self.equipment = equipment
        self.links = Links(equipment)
        self.knock = Knock(equipment.clock)
        self.stopping = asyncio.Event()
        self.troubles: dict[JobId, str] = {}
        self.fatal: StateError | None = None

    async def drive(
        self,
        job: Job,
        body: JobBody,
        known: Known,
        stdin: bytes | None,
        *,
        held: Callable[[], str | None] = lambda: None,
    ) -> Job:
        """Drive a job as far as that goes now; give it as it stands then.

        Args:
            job: a job as it stands.
            body: what it was recorded with.
            known: what was known of all pairs before.
            stdin: what its first step reads, if it is recorded as fed.
            held: asked when the server is reached: why the job must not begin after all.
        """
        if self.stopping.is_set():
            return job
        recorder: Recorder | None = None
        try:
            recorder = await self.recorder(job)
            values = await self._values_now(recorder, body)
            if values is None:
                return recorder.job
            async with self.links.to(body.server) as link:
                assignment = self.assignment(
                    recorder, link, body, known, values=values, stdin=stdin
                )
                await JobDriver(replace(assignment, held=held)).run()
        except StateError as error:
            self.break_off(error)
        except ControllerError as error:
            await self.tell_of_trouble(job, error)
        return job if recorder is None else recorder.job

    async def end(self, job: Job, signal: Signal, reason: str) -> Job:
        """Write the last line of a job of which nothing ever left; give it as it stands then."""
        try:
            recorder = await self.recorder(job)
            return await recorder.record(Note(signal=signal, reason=reason))
        except StateError as error:
            self.break_off(error)
        except ControllerError as error:
            await self.tell_of_trouble(job, error)
        return job

    def break_off(self, error: StateError) -> None:
        """Stop everything here: the state cannot be written any more."""
        self.fatal = error
        self.stopping.set()

    async def tell_of_trouble(self, job: Job, error: ControllerError) -> None:
        """Remember why a job is left as it is."""
        message = self.equipment.masker.text(error.message)
        self.troubles.pop(job.id, None)
        self.troubles[job.id] = message
        while len(self.troubles) > TROUBLES:
            del self.troubles[next(iter(self.troubles))]
        await self.equipment.activity.append(
            "job-trouble",
            self.equipment.actor,
            job=job.id,
            error=error.reference,
            message=message,
        )

    async def recorder(self, job: Job) -> Recorder:
        """Open a job's ledger after its last line."""
        events = await self.equipment.store.jobs.events(job.id)
        return Recorder(self.equipment, Ledger(job=job, seq=events[-1].seq if events else 0))

    def assignment(
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
            equipment=self.equipment,
            recorder=recorder,
            link=link,
            body=body,
            knock=self.knock,
            previous=known.before(recorder.job, body),
            was_marker=known.old_marker(recorder.job, body),
            values=values,
            stdin=stdin,
        )

    async def _values_now(self, recorder: Recorder, body: JobBody) -> dict[str, str] | None:
        """Read the secrets of a job; without them it does not begin, or is left as it is.

        What runs already is not even followed: its output could not be masked.
        """
        try:
            return await read_secrets(self.equipment, body)
        except SecretError as error:
            if recorder.job.state is not State.PENDING:
                raise
            await recorder.record(Note(signal=Signal.FAIL, reason=error.message))
            return None
