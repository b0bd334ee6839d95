"""One step: whether it runs, its attempts one after the other, and how it ended.

Called by `job`; calls `attempt`. The same code drives a fresh step and one an earlier process left behind.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from controller.errors import DeclarationError
from controller.jobs.assignment import Assignment
from controller.jobs.attempt import AttemptDriver
from controller.jobs.dag import WHEN_FALSE
from controller.jobs.ledger import Note, find_step
from controller.jobs.machine import Signal
from controller.jobs.outcome import Outcome, never, remembered
from controller.jobs.retry import due
from controller.jobs.sending import spec_of
from controller.model.ids import AttemptId
from controller.model.job import State, StepRun
from controller.model.work import StepKind, StepWork
from controller.transport.port import AttemptSpec, Session

RESENDS: Final = 3
"""Times that an idempotent step is sent again after it was cut off."""
LOOK_SECONDS: Final = 3.0
"""Between two looks for the wish to stop or to hold, while the next try is not due."""


class StepDriver:
    """Drives one step of a job to its end; `barred` means that nothing more of the job may be sent.

    `regain` takes the target again, whose lock may have ended with a reboot; false when it is somebody else's. `runs` is set
    when the server says that an attempt runs.
    """

    def __init__(
        self,
        assignment: Assignment,
        step: StepWork,
        *,
        barred: bool,
        regain: Callable[[], Awaitable[bool]] | None = None,
        runs: asyncio.Event | None = None,
    ) -> None:
        self._assignment = assignment
        self._recorder = assignment.recorder
        self._step = step
        self._barred = barred
        self._regain = regain
        self._runs = runs

    async def run(self) -> None:
        """Bring the step to its end, or to `lost`.

        Raises:
            TransportError: the server is not reached, and nothing of the next attempt was sent.
        """
        if self._run.state is State.PENDING and not await self._may_begin():
            return
        number = len(self._run.attempts)
        if not number and not await self._wait_until(self._now()):
            await self._recorder.record(self._note(Signal.CANCEL, "stopped before its first try"))
            return
        outcome = await self._resume(number) if number else None
        while outcome is None or await self._goes_on(number, outcome):
            number += 1
            outcome = await self._send(number)
        await self._end(number, outcome)

    @property
    def _run(self) -> StepRun:
        """The step as it stands."""
        return find_step(self._assignment.job, self._step.name)

    async def _may_begin(self) -> bool:
        """Ask the clock and `when`; write down why not."""
        refusal = await self._refusal()
        if refusal is not None:
            await self._recorder.record(refusal)
        return refusal is None

    async def _refusal(self) -> Note | None:
        """Say why the step does not begin."""
        if self._time_left() <= 0:
            return self._note(Signal.TIME_OUT, "the time of the task was over")
        if self._step.when is None:
            return None
        assignment = self._assignment
        try:
            wanted = await assignment.equipment.evaluate_when(
                self._step.when, assignment.job, assignment.body
            )
        except DeclarationError as error:
            return self._note(Signal.FAIL, assignment.equipment.masker.text(error.message))
        return None if wanted else self._note(Signal.SKIP, WHEN_FALSE)

    async def _resume(self, number: int) -> Outcome:
        """Take up the last attempt of an earlier process."""
        last = self._run.attempts[-1]
        if last.state.ended and last.state is not State.LOST:
            return remembered(last)
        try:
            spec = None if self._barred else await self._spec(number)
        except DeclarationError:
            spec = None  # it ran once with this environment; it can be followed, not sent
        return await self._attempt(number, spec).attach()

    async def _send(self, number: int) -> Outcome:
        """Send the next attempt."""
        try:
            spec = await self._spec(number)
        except DeclarationError as error:
            reason = self._assignment.equipment.masker.text(error.message)
            return Outcome(signal=Signal.FAIL, reason=reason)
        return await self._attempt(number, spec).send()

    def _attempt(self, number: int, spec: AttemptSpec | None) -> AttemptDriver:
        return AttemptDriver(self._assignment, self._step.name, number, spec, runs=self._runs)

    async def _goes_on(self, number: int, outcome: Outcome) -> bool:
        """Say whether there will be another try, and wait for its time."""
        if self._barred or number != len(self._run.attempts):
            return False
        if outcome.unstarted:
            return await self._send_elsewhere(number, outcome)
        if outcome.cut_off:
            return self._is_idempotent and await self._begin_anew(number, outcome)
        if number - self._unstarted > self._step.retry.limit or not outcome.may_be_tried_again:
            return False
        if not self._run.attempts[-1].state.ended:
            await self._recorder.record(outcome.of_attempt(self._step.name, number))
        finished = self._run.attempts[-1].finished_at or self._now()
        begins = due(self._step.retry, number, finished)
        if (begins - self._now()).total_seconds() >= self._time_left():
            return False
        return await self._wait_until(begins)

    @property
    def _is_idempotent(self) -> bool:
        """Whether a step that was cut off may be done once more: declared so, or a delivery."""
        return self._step.idempotent or self._step.kind in {StepKind.FILES, StepKind.CHECKOUT}

    async def _begin_anew(self, number: int, outcome: Outcome) -> bool:
        """Make sure that nothing of an attempt that was cut off is left, and that the target is ours."""
        cut_off = sum(each.state is State.INTERRUPTED for each in self._run.attempts[:-1])
        if cut_off >= RESENDS or self._time_left() <= 0 or await self._recorder.stop_requested():
            return False
        await self._assignment.link.through(partial(_stop, attempt=self._run.attempts[-1].id))
        if self._regain is None or not await self._regain():
            return False
        if not self._run.attempts[-1].state.ended or outcome.signal is Signal.LOSE:
            gone = replace(outcome, signal=Signal.INTERRUPT)
            await self._recorder.record(gone.of_attempt(self._step.name, number))
        return True

    @property
    def _unstarted(self) -> int:
        """How many tries never began; they count for nothing."""
        return sum(never(each.reason) for each in self._run.attempts)

    @property
    def _never_begins(self) -> bool:
        """Whether the server could not begin it as often as it is asked."""
        return self._unstarted - never(self._run.attempts[-1].reason) >= RESENDS

    async def _send_elsewhere(self, number: int, outcome: Outcome) -> bool:
        """Give an attempt up of which the server proves that it never began, and make another."""
        if self._never_begins or await self._recorder.stop_requested(self._step.name):
            return False
        if not self._run.attempts[-1].state.ended:
            await self._recorder.record(outcome.of_attempt(self._step.name, number))
        return True

    async def _wait_until(self, moment: datetime) -> bool:
        """Wait for the time of the next try, and while the step is held; false when it is to stop meanwhile."""
        while True:
            await self._recorder.look()
            job, name = self._assignment.job, self._step.name
            if job.stop_requested or name in job.wishes.stops:
                return False
            held = job.wishes.held(name, self._now()) is not None
            await self._note_hold(held=held)
            left = (moment - self._now()).total_seconds()
            if left <= 0 and not held:
                return True
            rest = LOOK_SECONDS if left <= 0 else min(left, LOOK_SECONDS)
            await self._assignment.knock.wait(rest)

    async def _note_hold(self, *, held: bool) -> None:
        """Write down when it changes that somebody wants the step to be held before its next try."""
        paused = self._run.state is State.PAUSED
        if held is not paused:
            signal = Signal.PAUSE if held else Signal.RESUME
            await self._recorder.record(Note(signal=signal, step=self._step.name))

    async def _end(self, number: int, outcome: Outcome) -> None:
        """Write down how the step ended, in one transaction with its last attempt."""
        run = self._run
        if run.state is State.LOST and outcome.signal is Signal.LOSE:
            return  # still nobody answers for it
        whole = outcome
        if outcome.unstarted and self._never_begins:  # nobody wished that
            whole = replace(outcome, signal=Signal.FAIL)
        notes = [whole.of_step(self._step.name)]
        if number == len(run.attempts) and not _settled(run):
            notes.insert(0, outcome.of_attempt(self._step.name, number))
        await self._recorder.record(*notes)

    async def _spec(self, number: int) -> AttemptSpec:
        """Put together what is sent.

        Raises:
            DeclarationError: it cannot be sent.
        """
        return await spec_of(self._assignment, self._step, number, seconds=self._time_left())

    def _time_left(self) -> float:
        """Seconds until the task's own time is over."""
        began = self._assignment.job.started_at or self._now()
        end = began + timedelta(seconds=self._assignment.body.work.timeout)
        return (end - self._now()).total_seconds() + self._held()

    def _held(self) -> float:
        """Seconds in which nothing of the job ran because it was held: they do not count."""
        job = self._assignment.job
        since = 0.0 if job.paused_at is None else (self._now() - job.paused_at).total_seconds()
        return job.paused + max(0.0, since)

    def _now(self) -> datetime:
        return self._assignment.equipment.clock.now()

    def _note(self, signal: Signal, reason: str) -> Note:
        return Note(signal=signal, step=self._step.name, reason=reason)


async def _stop(session: Session, *, attempt: AttemptId) -> None:
    await session.stop(attempt)


def _settled(run: StepRun) -> bool:
    """Say whether the end of the last attempt stands in the ledger."""
    last = run.attempts[-1].state
    return last.ended and last is not State.LOST
