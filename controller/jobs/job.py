"""One job from its first byte to its marker, or from where an earlier process left it.

Called by `engine`; calls `claim`, `step` and `collect`. Everything it decides follows from the job as it stands in
its ledger, so a fresh job and one found after a crash take the same way.
"""

import asyncio
from dataclasses import replace

from controller.errors import LockedError, TransportError
from controller.jobs.assignment import Assignment
from controller.jobs.claim import Hold, TargetHold
from controller.jobs.collect import Collector
from controller.jobs.confirm import Guard
from controller.jobs.dag import frontier, job_state
from controller.jobs.ending import DECISION, UNDONE, Bar, End, end_of, reason_of
from controller.jobs.ledger import Note
from controller.jobs.machine import Signal
from controller.jobs.reasons import REVERTED, STOPPED
from controller.jobs.recovery import unsettled
from controller.jobs.step import StepDriver
from controller.model.job import Job, State, StepRun
from controller.model.work import StepKind, Work
from controller.transport.port import Facts

UNREACHABLE = "Unreachable"
"""The reason of a job whose server was not reached."""

GOING = frozenset({State.DISPATCHED, State.RUNNING, State.PAUSED})
"""States of a step of which something may be on its server."""

_ENDINGS = {
    State.SUCCEEDED: Signal.SUCCEED,
    State.FAILED: Signal.FAIL,
    State.TIMED_OUT: Signal.TIME_OUT,
    State.CANCELLED: Signal.CANCEL,
    State.INTERRUPTED: Signal.INTERRUPT,
}


def foreign_user(work: Work, facts: Facts) -> str | None:
    """Name a user that the login cannot become; half of a job must not be done before that is found out."""
    if facts.root:
        return None
    users = (step.user or work.user for step in work.steps)
    return next((user for user in users if user not in {None, facts.login}), None)


class JobDriver:
    """Drives one job."""

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self._recorder = assignment.recorder
        self._equipment = assignment.equipment
        self._bar: Bar | None = None
        self._begun: set[str] = set()
        target = assignment.job.target
        self._target = None if target is None else TargetHold(assignment, target)
        steps = assignment.body.work.steps
        self._steps = tuple(step for step in steps if step.kind is not StepKind.CONFIRM)
        guard = next((step for step in steps if step.kind is StepKind.CONFIRM), None)
        self._guard = None if guard is None else Guard(assignment, guard)

    async def run(self) -> Job:
        """Bring the job to its end, or as far as the server can be reached."""
        try:
            await self._carry_out()
        except TransportError:
            await self._give_up()
        return self._recorder.job

    async def _carry_out(self) -> None:
        """Take the target, do the steps, give the target back."""
        if self._job.state is State.PENDING and await self._recorder.stop_requested():
            await self._end(End(state=State.CANCELLED, reason=STOPPED))
            return
        session = await self._assignment.link.session()
        user = foreign_user(self._assignment.body.work, session.facts)
        if user is not None and self._job.state is State.PENDING:
            login = session.facts.login
            reason = f"cannot run as {user}: the login {login} is not root"
            await self._end(End(state=State.FAILED, reason=reason))
        elif not await self._held_back() and await self._begin():
            await self._do_steps()
            await self._conclude()

    @property
    def _job(self) -> Job:
        return self._recorder.job

    @property
    def _runs(self) -> dict[str, StepRun]:
        return {step.name: step for step in self._job.steps}

    async def _held_back(self) -> bool:
        """Say whether the job must not begin after all; then it has ended."""
        held = self._assignment.held()
        if held is None or self._job.state is not State.PENDING:
            return False
        await self._end(End(state=State.SKIPPED, reason=held))
        return True

    async def _begin(self) -> bool:
        """Take the target; false when the job has ended by that."""
        if self._job.state is State.PENDING:
            await self._tell("job-starting")
        if self._job.state in {State.PENDING, State.DISPATCHED}:
            await self._recorder.record(Note(signal=Signal.DISPATCH))
        if self._target is not None:
            claimed = await self._target.take()
            if claimed.hold is Hold.DONE:
                await self._target.settle()
                await self._end(End(state=State.SUCCEEDED))
                return False
            if claimed.hold is Hold.REFUSED:
                reason = claimed.reason or "stale"
                if self._job.state is State.DISPATCHED:
                    await self._end(End(state=State.SKIPPED, reason=reason))
                    return False
                self._bar = Bar(state=State.INTERRUPTED, reason=reason, evicted=True)
        if self._job.state is State.DISPATCHED:
            await self._recorder.record(Note(signal=Signal.START))
        return True

    async def _do_steps(self) -> None:
        """Follow what runs and start what is ready, until nothing of it is left."""
        left_running = GOING | {State.LOST}
        open_ = [name for name, run in self._runs.items() if run.state in left_running]
        tasks = set[asyncio.Task[None]]()
        try:
            if self._guard is not None:
                await self._guard.begin(barred=self._bar is not None)
            tasks = running = self._start(open_)
            while begun := self._start(await self._ready()) | running:
                tasks |= begun
                done, running = await asyncio.wait(begun, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            if self._guard is not None:
                await self._decide(self._guard)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._guard is not None:
                await self._guard.close()

    async def _decide(self, guard: Guard) -> None:
        """Keep the change when every step ended well, else have it undone; of what is lost nothing can be said."""
        states = {self._runs[step.name].state for step in self._steps}
        if State.LOST in states:
            return
        well = self._bar is None and State.PENDING not in states
        if well and job_state(self._steps, self._runs) is State.SUCCEEDED:
            await guard.confirm()
        else:
            await guard.undo()

    def _start(self, names: list[str]) -> set[asyncio.Task[None]]:
        """Begin to drive steps."""
        self._begun |= set(names)
        barred = self._bar is not None
        return {
            asyncio.create_task(
                StepDriver(self._assignment, step, barred=barred, regain=self._regain).run()
            )
            for step in self._steps
            if step.name in names
        }

    async def _regain(self) -> bool:
        """Take the target again, after a reboot has ended every lock."""
        return self._target is None or (await self._target.take()).hold is Hold.OURS

    async def _ready(self) -> list[str]:
        """Skip what can no longer run, and say what may begin."""
        await self._look_for_bars()
        lost = any(run.state is State.LOST for run in self._job.steps)
        if self._bar is not None or lost:
            return []
        front = frontier(self._steps, self._runs)
        while front.doomed:
            await self._skip(dict(front.doomed))
            front = frontier(self._steps, self._runs)
        ready = [name for name in front.ready if name not in self._begun]
        if ready and self._job.state is State.LOST:
            await self._recorder.record(Note(signal=Signal.START))
        return ready

    async def _look_for_bars(self) -> None:
        """See whether something happened after which nothing more may be sent."""
        if self._bar is not None:
            return
        if await self._recorder.stop_requested():
            self._bar = Bar(state=State.CANCELLED, reason="stopped")
        elif any(run.state is State.INTERRUPTED for run in self._job.steps):
            # After a reboot the lock on the server means nothing any more.
            self._bar = Bar(state=State.INTERRUPTED, reason="a step was interrupted")
        elif self._guard is not None and self._guard.run.state.ended:
            self._bar = _end_of_guard(self._guard.run)

    async def _skip(self, reasons: dict[str, str]) -> None:
        """Write down that steps will not run."""
        notes = [Note(signal=Signal.SKIP, step=n, reason=why) for n, why in reasons.items()]
        if notes:
            await self._recorder.record(*notes)

    async def _conclude(self) -> None:
        """Give the target back and write down how the job ended, in this order."""
        if any(run.state is State.LOST for run in self._job.steps):
            await self._lose(())
            return
        if self._job.state is State.LOST:
            await self._recorder.record(Note(signal=Signal.START))
        bar = self._bar
        pending = [run.name for run in self._job.steps if run.state is State.PENDING]
        await self._skip(dict.fromkeys(pending, bar.reason if bar else "not reached"))
        end = end_of(self._assignment.body.work.steps, self._runs, bar, whole=not pending)
        end = await self._collect(end)
        if self._target is not None and not (bar is not None and bar.evicted):
            try:
                await self._target.release(end.state)
            except LockedError as error:
                end = replace(end, state=State.INTERRUPTED, reason=error.message)
        await self._end(end)

    async def _collect(self, end: End) -> End:
        """Fetch what the job left behind; a promised file that is not there is a failure."""
        collector = Collector(self._assignment)
        missing = await collector.fetch(succeeded=end.state is State.SUCCEEDED)
        await collector.clean_up()
        if missing is None or end.state is not State.SUCCEEDED:
            return end
        return replace(end, state=State.FAILED, reason=missing)

    async def _end(self, end: End) -> None:
        """Write the last line of the job and tell the activity log."""
        signal = Signal.SKIP if end.state is State.SKIPPED else _ENDINGS[end.state]
        await self._recorder.record(Note(signal=signal, reason=end.reason, exit_code=end.exit_code))
        await self._tell("job-ended")

    async def _give_up(self) -> None:
        """Write down that the server is not reached: what may run there is lost for now."""
        if self._job.state is State.LOST:
            return
        notes = [
            Note(signal=Signal.LOSE, step=step.name, attempt=number, reason=UNREACHABLE)
            for step in self._job.steps
            for number in (
                *(a.number for a in step.attempts if a in unsettled(self._job)),
                *([None] if step.state in GOING else []),
            )
        ]
        if notes:
            await self._lose(tuple(notes))
        else:
            await self._recorder.record(Note(signal=Signal.HOLD, reason=UNREACHABLE))

    async def _lose(self, notes: tuple[Note, ...]) -> None:
        """Write down that nobody answers for the job; its lock stays on the server."""
        if self._job.state is not State.LOST:
            await self._recorder.record(*notes, Note(signal=Signal.LOSE, reason=UNREACHABLE))
            if self._target is not None:
                await self._target.remember(State.LOST)
            await self._tell("job-lost")

    async def _tell(self, event: str) -> None:
        """Write a line of the activity log."""
        job = self._job
        await self._equipment.activity.append(
            event,
            self._equipment.actor,
            run=job.run,
            job=job.id,
            target=job.target,
            task=job.task,
            server=job.server,
            commit=job.commit,
            state=job.state,
            reason=job.reason,
        )


def _end_of_guard(run: StepRun) -> Bar | None:
    """Say what it means that what undoes the change has ended before the steps: nothing more may be changed."""
    if run.state in {State.SUCCEEDED, State.LOST}:
        return None
    undone = run.outputs.get(DECISION) == UNDONE
    return Bar(state=State.FAILED, reason=REVERTED if undone else reason_of(run))
