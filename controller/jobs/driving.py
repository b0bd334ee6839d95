"""Driving jobs together by the orders of their run, for as long as somebody waits for them.

Used by `engine`; gives a `conductor` what it leads: a board, a shift, and the traffic of all runs.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final

from controller.jobs.board import Board
from controller.jobs.conductor import Conductor
from controller.jobs.crew import Crew
from controller.jobs.known import recall
from controller.jobs.patience import wait_until
from controller.jobs.shift import Shift
from controller.jobs.traffic import Traffic
from controller.model.ids import JobId, RunId
from controller.model.job import Job, JobBody, Run, State

LEFT_BEHIND: Final = RunId("")
"""Stands for no run: jobs of several are taken up together."""


class Driving:
    """Drives the jobs of one engine's state, and knows which runs are being led now."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._equipment = crew.equipment
        self._traffic = Traffic(crew.equipment.store, crew.equipment.clock)
        self._led: dict[RunId, Conductor] = {}

    async def together(
        self,
        jobs: Sequence[Job],
        parallel: int,
        within: float | None,
        *,
        run: Run | None = None,
        stdin: bytes | None = None,
    ) -> bool:
        """Drive jobs; say whether work went on when the waiting ended.

        Args:
            jobs: all of the run, or what was left behind of several.
            parallel: how many at once.
            within: seconds to wait at most, None for no limit.
            run: whose orders hold; None: nothing new is begun.
            stdin: what the first step of each job reads that is recorded as fed.

        Raises:
            StateError: the store cannot be written any more.
        """
        open_ = {job.id: job for job in jobs if run is None or _goes_on(job)}
        if not open_:
            return False
        crew, name = self._crew, LEFT_BEHIND if run is None else run.id
        bodies = await self._equipment.store.jobs.bodies(open_)
        conductor = Conductor(
            name,
            _board(jobs, run, parallel, bodies.values(), open_, now=self._equipment.clock.now()),
            Shift(
                crew=crew,
                jobs=open_,
                bodies=bodies,
                known=await recall(
                    self._equipment.store, ((open_[id_], body) for id_, body in bodies.items())
                ),
                run=run,
                stdin=stdin,
            ),
            clock=self._equipment.clock,
            links=crew.links,
            traffic=self._traffic,
            stopping=crew.stopping.is_set,
        )
        if run is not None:
            self._led[name] = conductor
        work = asyncio.create_task(conductor.lead())
        try:
            done = await wait_until(work, crew.stopping, self._equipment.clock, within)
        finally:
            self._led.pop(name, None)
        if crew.fatal is not None:
            raise crew.fatal
        if not done:
            await self._equipment.activity.append(
                "waiting-ended", self._equipment.actor, jobs=len(open_), within=within
            )
        return not done

    def withdraw(self, job: Job, reason: str) -> bool:
        """Have a job skipped if it does not begin first; false when its run is not led here."""
        led = self._led.get(job.run)
        return led is not None and led.withdraw(job.id, reason)


def _goes_on(job: Job) -> bool:
    """Say whether something may be left to do for a job; of a lost one its server may yet tell."""
    return not job.state.ended or job.state is State.LOST


def _board(
    jobs: Iterable[Job],
    run: Run | None,
    parallel: int,
    bodies: Iterable[JobBody],
    to_do: Collection[JobId],
    *,
    now: datetime,
) -> Board:
    """Lay out what is to be done by the orders of a run."""
    return Board(
        jobs,
        orders={} if run is None else run.orders,
        budgets=() if run is None else run.budgets,
        parallel=parallel,
        widths=_widths(bodies),
        to_do=to_do,
        now=now,
    )


def _widths(bodies: Iterable[JobBody]) -> dict[str, int]:
    """Say how many jobs may be on each server at once."""
    widths: dict[str, int] = {}
    for body in bodies:
        name = body.server.name
        widths[name] = max(widths.get(name, 1), body.server.concurrency)
    return widths
