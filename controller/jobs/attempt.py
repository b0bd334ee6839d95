"""One attempt: recorded, sent, followed to its end over lost sessions.

Called by `step`; calls the session and the output files. The row stands in the store before a byte leaves, and the
server's own claim decides whether something starts: asking again never starts it twice.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, replace

from controller.errors import ControllerError, NotFoundError, RefusedError, TransportError
from controller.jobs.assignment import Assignment
from controller.jobs.ledger import Note, find_step
from controller.jobs.machine import Signal
from controller.jobs.outcome import FORGOTTEN, NEVER, WORDS, Outcome, ended, interrupted, lost
from controller.jobs.output import OutputCopy
from controller.jobs.reasons import WAITING_FOR_WORKER
from controller.jobs.verdict import Verdict, judge
from controller.jobs.watch import LOOK_SECONDS, PauseWatch, notes_of
from controller.model.ids import attempt_id
from controller.model.job import Attempt, State
from controller.transport.port import AttemptSpec, AttemptStatus, Offer, Phase, Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server said of an attempt, and under which boot id it said so."""

    status: AttemptStatus
    boot_id: str


class NotTakenError(Exception):
    """The server refuses an attempt, and knows nothing of it: nothing has started."""

    def __init__(self, refusal: ControllerError) -> None:
        super().__init__(refusal.message)
        self.reason = refusal.message[:WORDS]


async def _boot_id(session: Session) -> str:
    return session.facts.boot_id


class AttemptDriver:
    """Drives one attempt of one step.

    `spec` is None when the attempt was sent by an earlier process and the means to send it again are missing. `runs` is set when
    the server says that it runs.
    """

    def __init__(
        self,
        assignment: Assignment,
        step: str,
        number: int,
        spec: AttemptSpec | None,
        *,
        runs: asyncio.Event | None = None,
    ) -> None:
        self._assignment = assignment
        self._step = step
        self._number = number
        self._spec = spec
        self._runs = runs
        self._id = attempt_id(assignment.job.id, step, number)
        self._copy = OutputCopy(assignment, self._id, step)

    async def send(self) -> Outcome:
        """Record the attempt, send it, and follow it to its end.

        Raises:
            TransportError: the server is not reached; the attempt was neither recorded nor sent.
        """
        boot_id = await self._assignment.link.through(_boot_id)
        try:
            await self._record(Signal.DISPATCH, boot_id=boot_id)
            if await self._assignment.recorder.stop_requested():
                return Outcome(signal=Signal.CANCEL, reason="stopped before it was sent")
            return await self._to_its_end(start=True)
        except TransportError:
            return lost("Unreachable")

    async def attach(self) -> Outcome:
        """Follow an attempt that an earlier process sent, to its end."""
        try:
            return await self._to_its_end(start=False)
        except TransportError:
            return lost("Unreachable")

    async def _to_its_end(self, *, start: bool) -> Outcome:
        try:
            outcome = await self._follow(await self._ask(start=start))
        except NotTakenError as error:
            outcome = Outcome(signal=Signal.FAIL, reason=error.reason)
        return self._masked(outcome)

    async def _follow(self, answer: Answer) -> Outcome:
        """Weigh answers until one proves the end."""
        while True:
            verdict = judge(self._attempt, answer.status, answer.boot_id)
            if verdict is Verdict.WAITS:
                await self._note_waiting()
                answer = await self._assignment.link.through(self._wait_for_worker)
            elif verdict is Verdict.RUNS:
                await self._note_running(answer.status)
                answer = await self._assignment.link.through(self._wait)
            elif verdict is Verdict.NEVER_STARTED and self._spec is not None:
                await self._record(Signal.DISPATCH, boot_id=answer.boot_id)
                answer = await self._ask(start=True)
            else:
                return await self._outcome(verdict, answer.status)

    async def _outcome(self, verdict: Verdict, status: AttemptStatus) -> Outcome:
        """Collect what is left of the output and say how the attempt ended."""
        match verdict:
            case Verdict.ENDED:
                return ended(status, await self._assignment.link.through(self._collect))
            case Verdict.INTERRUPTED if status.phase is Phase.INTERRUPTED:
                return interrupted(status, await self._assignment.link.through(self._collect))
            case Verdict.INTERRUPTED:
                return interrupted(status, None)
            case Verdict.NEVER_STARTED:
                return Outcome(signal=Signal.CANCEL, reason=NEVER)
            case _:
                return lost(FORGOTTEN)

    async def _ask(self, *, start: bool) -> Answer:
        """Start the attempt under the boot id it was recorded with, or only ask what is known of it."""

        async def act(session: Session) -> Answer:
            boot_id = session.facts.boot_id
            if start and self._spec is not None and boot_id == self._attempt.boot_id:
                return Answer(status=await start_or_learn(session, self._spec), boot_id=boot_id)
            return Answer(status=await session.status(self._id), boot_id=boot_id)

        return await self._assignment.link.through(act)

    async def _note_waiting(self) -> None:
        """Write down once that the server has it and runs others first."""
        now = self._attempt
        if now.state is not State.DISPATCHED or now.reason != WAITING_FOR_WORKER:
            await self._record(Signal.HOLD, reason=WAITING_FOR_WORKER)

    async def _wait_for_worker(self, session: Session) -> Answer:
        """Ask again and again until the attempt has begun, or has ended."""
        while (status := await session.status(self._id)).waiting:
            await self._assignment.knock.wait(LOOK_SECONDS)
        return Answer(status=status, boot_id=session.facts.boot_id)

    async def _note_running(self, status: AttemptStatus) -> None:
        """Write down that it runs, or is held."""
        notes = notes_of(self._step, self._attempt, paused=status.paused)
        if notes:
            await self._assignment.recorder.record(*notes)
        if self._runs is not None:
            self._runs.set()

    async def _wait(self, session: Session) -> Answer:
        """Copy output until the attempt has ended, and ask how; meanwhile note when it is held and goes on."""
        if Offer.PAUSE not in session.facts.offers:
            return await self._wait_for_end(session)
        watch = PauseWatch(self._assignment, self._step, self._number)
        return await _beside(self._wait_for_end(session), watch.run(session))

    async def _wait_for_end(self, session: Session) -> Answer:
        await self._copy.run(session, follow=True)
        return Answer(status=await session.wait(self._id), boot_id=session.facts.boot_id)

    async def _collect(self, session: Session) -> int:
        """Copy what is left of the output of an attempt that has ended."""
        return await self._copy.run(session, follow=False)

    async def _record(
        self, signal: Signal, *, boot_id: str | None = None, reason: str | None = None
    ) -> None:
        """Write a line about this attempt."""
        await self._assignment.recorder.record(
            Note(
                signal=signal,
                step=self._step,
                attempt=self._number,
                boot_id=boot_id,
                reason=reason,
            )
        )

    @property
    def _attempt(self) -> Attempt:
        """The attempt as it stands."""
        attempts = find_step(self._assignment.job, self._step).attempts
        return next(each for each in attempts if each.number == self._number)

    def _masked(self, outcome: Outcome) -> Outcome:
        """Hide secrets in what the server said before it is recorded."""
        mask = self._assignment.equipment.masker.text
        return replace(
            outcome,
            reason=None if outcome.reason is None else mask(outcome.reason),
            outputs={key: mask(value) for key, value in outcome.outputs.items()},
        )


async def start_or_learn(session: Session, spec: AttemptSpec) -> AttemptStatus:
    """Start an attempt. A refusal ends it only when nothing is known of it there: it may have been sent before.

    Raises:
        NotTakenError: it was refused, and never started.
    """
    try:
        return await session.start(spec)
    except (RefusedError, NotFoundError) as refusal:
        try:
            status = await session.status(spec.id)
        except NotFoundError:
            raise NotTakenError(refusal) from refusal
        if status.phase is Phase.NONE:
            raise NotTakenError(refusal) from refusal
        return status


async def _beside(work: Awaitable[Answer], watch: Awaitable[None]) -> Answer:
    """Do the work and watch beside it; what goes wrong with either ends both."""
    both = (asyncio.ensure_future(work), asyncio.ensure_future(watch))
    doing, watching = both
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            watching.result()
        return await doing
    finally:
        for each in both:
            each.cancel()
        await asyncio.gather(*both, return_exceptions=True)
