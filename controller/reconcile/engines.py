"""What the faces' questions need of an engine: by hand it is `jobs.Engine` itself, under `serve` a way to the one that is shared.

Given by `Rooms.engine`; used by `applying`, `running`, `desk`, `minding` and `attaching`.
"""

from collections.abc import Sequence
from typing import Protocol

from controller.jobs.engine import PARALLEL
from controller.jobs.input import Input
from controller.jobs.machine import Signal
from controller.jobs.report import RunReport, SettleReport
from controller.model.ids import JobId, RunId
from controller.model.job import Job, JobBody, Run


class Holds(Protocol):
    """Holds jobs, and lets them go on; see `jobs.holding`."""

    async def pause(
        self, id_: JobId, *, step: str | None = None, seconds: float = 0.0, alone: bool
    ) -> Job:
        """Hold a job, or one of its steps; return when that is written down."""
        ...

    async def resume(self, id_: JobId, *, alone: bool) -> Job:
        """Let a job go on that is held; return when that is written down."""
        ...


class RunEngine(Protocol):
    """Carries out runs; see `jobs.engine` for what each promises and raises."""

    @property
    def shared(self) -> bool:
        """Whether somebody drives everything that is recorded without being asked, so that nothing is ever taken up here."""
        ...

    @property
    def holding(self) -> Holds:
        """Pauses jobs, and lets them go on."""
        ...

    async def submit(self, run: Run, jobs: Sequence[tuple[Job, JobBody]]) -> None:
        """Record a run and its jobs."""
        ...

    async def drive(
        self,
        run: RunId,
        *,
        parallel: int = PARALLEL,
        within: float | None = None,
        stdin: bytes | None = None,
    ) -> RunReport:
        """Drive the jobs of a run until they have ended, or nothing more can be done for them now."""
        ...

    async def settle(
        self, *, within: float | None = None, parallel: int = PARALLEL
    ) -> SettleReport:
        """Take up every job that was left behind."""
        ...

    async def stop(
        self, id_: JobId, *, step: str | None = None, grace: float = 10.0, alone: bool
    ) -> Job:
        """Stop a job, or one of its steps; nothing of it is left when this returns."""
        ...

    async def take_up(self, id_: JobId) -> Job:
        """Drive one job that nobody drives now as far as that goes."""
        ...

    async def peek(self, id_: JobId) -> None:
        """Store what a job said on its server, without taking it up."""
        ...

    def input(self, job: JobId, *, step: str | None = None) -> Input:
        """Give the way to the standard input of a job, or of one of its steps."""
        ...

    async def resolve(self, id_: JobId, *, signal: Signal, reason: str) -> Job:
        """End a lost job as a person says it ended."""
        ...

    def halt(self) -> None:
        """Stop waiting; what has started goes on."""
        ...
