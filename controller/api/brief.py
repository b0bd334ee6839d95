"""An engine that records and does not wait: a request is answered as soon as what it asked for is written down.

Called by `call`, which lays it over the engine of the rooms. Whoever drives runs under `serve` drives these as well.
"""

from collections.abc import Sequence

from controller.jobs.engine import PARALLEL
from controller.jobs.input import Input
from controller.jobs.machine import Signal
from controller.jobs.report import RunReport, SettleReport
from controller.model.ids import JobId, RunId
from controller.model.job import Job, JobBody, Run
from controller.reconcile.engines import Holds, RunEngine


class Brief:
    """The engine `inner`, but for the waiting."""

    def __init__(self, inner: RunEngine) -> None:
        self._inner = inner

    @property
    def shared(self) -> bool:
        """Whether somebody drives everything that is recorded."""
        return self._inner.shared

    @property
    def holding(self) -> Holds:
        """Pauses jobs, and lets them go on."""
        return self._inner.holding

    async def submit(self, run: Run, jobs: Sequence[tuple[Job, JobBody]]) -> None:
        """Record a run and its jobs."""
        await self._inner.submit(run, jobs)

    async def drive(
        self,
        run: RunId,
        *,
        parallel: int = PARALLEL,
        within: float | None = None,
        stdin: bytes | None = None,
    ) -> RunReport:
        """Have a run driven, and say at once how it stands."""
        del within
        return await self._inner.drive(run, parallel=parallel, within=0.0, stdin=stdin)

    async def settle(
        self, *, within: float | None = None, parallel: int = PARALLEL
    ) -> SettleReport:
        """Leave what was left behind to whoever drives."""
        return await self._inner.settle(within=within, parallel=parallel)

    async def stop(
        self, id_: JobId, *, step: str | None = None, grace: float = 10.0, alone: bool
    ) -> Job:
        """Stop a job."""
        return await self._inner.stop(id_, step=step, grace=grace, alone=alone)

    async def take_up(self, id_: JobId) -> Job:
        """Drive one job that nobody drives."""
        return await self._inner.take_up(id_)

    async def peek(self, id_: JobId) -> None:
        """Store what a job said."""
        await self._inner.peek(id_)

    def input(self, job: JobId, *, step: str | None = None) -> Input:
        """Give the way to the standard input of a job."""
        return self._inner.input(job, step=step)

    async def resolve(self, id_: JobId, *, signal: Signal, reason: str) -> Job:
        """End a lost job as a person says it ended."""
        return await self._inner.resolve(id_, signal=signal, reason=reason)

    def halt(self) -> None:
        """Stop waiting."""
        self._inner.halt()
