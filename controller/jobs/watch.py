"""Watching whether a running attempt is held on its server, and seeing to it that it is held while somebody wants that.

Called by `attempt` beside the copying of output, and by `holding` where nobody drives the job; calls the session.
"""

from typing import Final

from controller.errors import RefusedError
from controller.jobs.assignment import Assignment
from controller.jobs.ledger import Note, find_step
from controller.jobs.machine import Signal
from controller.jobs.pace import GUARD
from controller.model.job import Attempt, State
from controller.transport.port import AttemptStatus, Phase, Session

LOOK_SECONDS: Final = 3.0
"""Between two looks at an attempt that may be held, or waits for a worker."""


class PauseWatch:
    """Watches one attempt."""

    def __init__(self, assignment: Assignment, step: str, number: int) -> None:
        self._assignment = assignment
        self._step = step
        self._number = number

    async def run(self, session: Session) -> None:
        """Write down whenever it is held and goes on, until it runs no more.

        Most attempts are short: the server is not asked about one before its first seconds are over, but to hold it.
        """
        if await self._assignment.recorder.hold(self._step) is None:
            await self._assignment.knock.wait(LOOK_SECONDS)
        while True:
            status = await session.status(self._attempt.id)
            if status.phase is not Phase.RUNNING:
                return
            status = await self._keep(session, status)
            notes = notes_of(self._step, self._attempt, paused=status.paused)
            if notes:
                await self._assignment.recorder.record(*notes)
            await self._assignment.knock.wait(LOOK_SECONDS)

    @property
    def _attempt(self) -> Attempt:
        attempts = find_step(self._assignment.job, self._step).attempts
        return next(each for each in attempts if each.number == self._number)

    async def _keep(self, session: Session, status: AttemptStatus) -> AttemptStatus:
        """Hold what began after somebody wished that it is held; what a server holds by itself is left so."""
        hold = await self._assignment.recorder.hold(self._step)
        if hold is None or status.paused or self._step == GUARD:
            return status
        now = self._assignment.equipment.clock.now()
        seconds = 0.0 if hold.until is None else max(1.0, (hold.until - now).total_seconds())
        try:
            status = await session.pause(status.id, seconds=seconds)
            if await self._assignment.recorder.hold(self._step) is None:
                # Somebody let it go on between the two.
                status = await session.resume(status.id)
        except RefusedError:
            status = await session.status(status.id)  # it has ended
        return status


def notes_of(step: str, attempt: Attempt, *, paused: bool) -> list[Note]:
    """Say what is to be written down of an attempt that the server says is there.

    Args:
        step: whose attempt it is.
        attempt: as it stands.
        paused: whether it is held.
    """
    signals: list[Signal] = []
    if attempt.state not in {State.RUNNING, State.PAUSED}:
        signals.append(Signal.START)
    elif attempt.state is State.PAUSED and not paused:
        signals.append(Signal.RESUME)
    if paused and attempt.state is not State.PAUSED:
        signals.append(Signal.PAUSE)
    return [Note(signal=signal, step=step, attempt=attempt.number) for signal in signals]
