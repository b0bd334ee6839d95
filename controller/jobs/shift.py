"""One carrying-out of some jobs: how `conductor` has them driven, skipped, and halts written down.

Made by `driving`, for a run or for what was left behind; calls `crew`.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from controller.errors import StateError
from controller.jobs.closing import record_halts
from controller.jobs.crew import Crew
from controller.jobs.job import UNREACHABLE
from controller.jobs.known import Known
from controller.jobs.machine import Signal
from controller.jobs.reasons import HALTED, STOPPED
from controller.model.ids import JobId
from controller.model.inventory import Server
from controller.model.job import Job, JobBody, Run, State
from controller.model.rollout import Order, WhenOffline

AT_ONCE: Final = 200
"""Jobs that are skipped in one go: the store commits them together."""
_OFFLINE: Final = {WhenOffline.SKIP: Signal.SKIP, WhenOffline.FAIL: Signal.FAIL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """Some jobs, all of one run or of several that were left behind (`run` None: nothing new is begun or halted).

    `halted` are the targets of which nothing more begins, not even a job that is on its way to its server; `withdrawn` are
    single jobs of that kind.
    """

    crew: Crew
    jobs: Mapping[JobId, Job]
    bodies: Mapping[JobId, JobBody]
    known: Known
    run: Run | None = None
    stdin: bytes | None = None
    halted: set[str] = field(default_factory=set)
    withdrawn: dict[JobId, str] = field(default_factory=dict)

    def server(self, job: JobId) -> Server:
        """Give the server of a job."""
        return self.bodies[job].server

    async def drive(self, job: Job) -> Job:
        """Drive a job as far as that goes now; one that is not begun because its server is not reached ends as its order says."""
        after = await self.crew.drive(
            job,
            self.bodies[job.id],
            self.known,
            self.stdin,
            held=lambda: HALTED if job.target in self.halted else self.withdrawn.get(job.id),
        )
        orders = {} if self.run is None else self.run.orders
        signal = _OFFLINE.get(orders.get(job.target or "", Order()).when_offline)
        if signal is None or after.state is not State.PENDING or after.reason != UNREACHABLE:
            return after
        return await self.crew.end(after, signal, UNREACHABLE)

    async def halt(self, halted: Mapping[str, str]) -> None:
        """Write down why nothing more of targets starts; return when that is durable."""
        self.halted.update(halted)
        if self.run is not None:
            try:
                await record_halts(self.crew, self.run.id, halted)
            except StateError as error:
                self.crew.break_off(error)

    async def skip(self, jobs: Mapping[JobId, str]) -> list[Job]:
        """Write down that jobs will not begin, with the reason of each; give them as they stand then."""
        if self.crew.stopping.is_set():
            return []
        await tell_of_skips(self.crew, [(self.jobs[id_], why) for id_, why in jobs.items()])
        skipped: list[Job] = []
        ids = list(jobs)
        for begin in range(0, len(ids), AT_ONCE):
            some = ids[begin : begin + AT_ONCE]
            ends = (self.crew.end(self.jobs[id_], unbegun(jobs[id_]), jobs[id_]) for id_ in some)
            skipped += await asyncio.gather(*ends)
        return skipped


def unbegun(reason: str) -> Signal:
    """Say how a job ends that does not begin for a reason: a person stopped it, or it is skipped."""
    return Signal.CANCEL if reason == STOPPED else Signal.SKIP


async def tell_of_skips(crew: Crew, skipped: list[tuple[Job, str]]) -> None:
    """Write a line of the activity log for each target and reason: there may be thousands of jobs."""
    counts = Counter((job.run, job.target, why) for job, why in skipped)
    for (run, target, why), number in counts.items():
        told = {"run": run, "target": target, "reason": why, "jobs": number}
        await crew.equipment.activity.append("jobs-skipping", crew.equipment.actor, **told)
