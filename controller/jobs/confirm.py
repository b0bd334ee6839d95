"""The step that undoes a change unless it is confirmed: sent before all others, told at the end how they went.

Called by `job`; calls `step`, and a session over a new connection. On the server the first who makes the folder `decision` of the
job decides: this controller, or the guard itself when nothing of the job has run there for a while. How the guard ends is the truth
of it, so whatever is asked here may be asked twice, or too late.
"""

import asyncio
import shlex
from typing import Final

from controller.errors import TransportError
from controller.jobs.assignment import Assignment
from controller.jobs.ledger import find_step
from controller.jobs.step import StepDriver
from controller.model.job import State, StepRun
from controller.model.work import StepWork
from controller.transport.port import ProbeSpec, Session

PAUSE: Final = 2.0
"""Seconds between two tries to reach the server anew."""


class Guard:
    """Drives the step that undoes the change of one job."""

    def __init__(self, assignment: Assignment, step: StepWork) -> None:
        self._assignment = assignment
        self._step = step
        self._runs = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def run(self) -> StepRun:
        """The step as it stands."""
        return find_step(self._assignment.job, self._step.name)

    async def begin(self, *, barred: bool) -> None:
        """Send it, or take it up; return when it runs, or has ended.

        Args:
            barred: nothing more of the job may be sent.

        Raises:
            TransportError: the server is not reached, and nothing of it was sent.
        """
        state = self.run.state
        if (state.ended and state is not State.LOST) or (state is State.PENDING and barred):
            return
        driver = StepDriver(self._assignment, self._step, barred=barred, runs=self._runs)
        self._task = asyncio.create_task(driver.run())
        running = asyncio.create_task(self._runs.wait())
        try:
            await asyncio.wait({self._task, running}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            running.cancel()
        if self._task.done():
            self._task.result()

    async def confirm(self) -> None:
        """Keep the change: say so over a new connection, until it was heard or the guard has ended."""
        while self._task is not None and not self._task.done():
            try:
                if await self._confirm_anew():
                    break
            except TransportError:
                pass  # a server that cannot be reached any more undoes its change
            await self._pause(self._task)
        await self._end()

    async def undo(self) -> None:
        """Undo the change now; a server that does not hear it undoes it when nothing has run for a while."""
        if self._task is not None and not self._task.done():
            try:
                await self._assignment.link.through(self._tell_to_undo)
            except TransportError:
                await asyncio.sleep(0)  # whoever follows the guard meets the same
        await self._end()

    async def close(self) -> None:
        """Stop following it; on its server it goes on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _end(self) -> None:
        """Follow it to its end."""
        if self._task is not None:
            await self._task

    async def _confirm_anew(self) -> bool:
        """Reach the server anew and decide there; true when it is decided."""
        session = await self._assignment.equipment.dialer.fresh(self._assignment.body.server)
        try:
            place = self._place(session, "decision")
            return await _ran(session, f"mkdir {place} 2>/dev/null || [ -d {place} ]")
        finally:
            await session.close()

    async def _tell_to_undo(self, session: Session) -> None:
        await _ran(session, f"true >|{self._place(session, 'undo')}")

    def _place(self, session: Session, name: str) -> str:
        """Name something in the folder of the job there, as a word for a shell."""
        return shlex.quote(f"{session.facts.base}/jobs/{self._assignment.job.id}/{name}")

    async def _pause(self, task: "asyncio.Task[None]") -> None:
        """Wait a little, or until the guard has ended."""
        rest = asyncio.ensure_future(self._assignment.equipment.clock.sleep(PAUSE))
        try:
            await asyncio.wait({task, rest}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            rest.cancel()


async def _ran(session: Session, text: str) -> bool:
    answer = await session.probe(ProbeSpec(text=text.encode()))
    return answer.exit_code == 0
