"""A job and its ledger: what is about to be done or was learnt becomes an event, and events become the job.

Pure. `Ledger.note` makes the next event and the job as it stands after it; `fold` replays stored events. Both go
through `apply`, so a job read from its ledger equals the job that was stored beside it. Called by `record`; `reconcile`
asks `in_order` before it shows output.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from controller.errors import IllegalTransitionError
from controller.jobs.machine import Level, Signal, advance
from controller.model.ids import attempt_id
from controller.model.job import Attempt, Event, Job, State, StepRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What is to be written down. Without `step` it speaks of the job, without `attempt` of the step."""

    signal: Signal
    step: str | None = None
    attempt: int | None = None
    boot_id: str | None = None
    exit_code: int | None = None
    reason: str | None = None
    length: int | None = None
    sha256: str | None = None
    stored: int | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def level(self) -> Level:
        """Whose state it moves."""
        if self.step is None:
            return Level.JOB
        return Level.STEP if self.attempt is None else Level.ATTEMPT


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """A job as it stands after event number `seq`."""

    job: Job
    seq: int = 0

    def note(self, note: Note, at: datetime) -> tuple["Ledger", Event]:
        """Make the next event.

        Raises:
            IllegalTransitionError: the state has no arrow for the signal.
        """
        event = Event(
            job=self.job.id,
            seq=self.seq + 1,
            at=at,
            state=advance(note.level, _state(self.job, note.step, note.attempt), note.signal),
            step=note.step,
            attempt=note.attempt,
            boot_id=note.boot_id,
            exit_code=note.exit_code,
            reason=note.reason,
            length=note.length,
            sha256=note.sha256,
            stored=note.stored,
            outputs=note.outputs,
        )
        return Ledger(job=apply(self.job, event), seq=event.seq), event


def fold(recorded: Job, events: Iterable[Event]) -> Ledger:
    """Replay a ledger over the job as it was first recorded."""
    ledger = Ledger(job=recorded)
    for event in events:
        ledger = Ledger(job=apply(ledger.job, event), seq=event.seq)
    return ledger


def apply(job: Job, event: Event) -> Job:
    """Give the job as it stands after an event."""
    if event.step is None:
        return _apply_to_job(job, event)
    step = find_step(job, event.step)
    after = _apply_to_step(step, event) if event.attempt is None else _try(job, step, event)
    steps = tuple(after if each.name == step.name else each for each in job.steps)
    return replace(job, steps=steps)


def find_step(job: Job, name: str) -> StepRun:
    """Find a step of a job.

    Raises:
        IllegalTransitionError: the job has no such step.
    """
    for step in job.steps:
        if step.name == name:
            return step
    raise IllegalTransitionError(f"cannot find the step {name} in job {job.id}")


def in_order(job: Job, events: Iterable[Event]) -> tuple[tuple[str, Attempt], ...]:
    """List all attempts of a job with their step, in the order in which they were first written down.

    The ledger is asked and not the clock: clocks jump, and an attempt that ended while nobody looked was never seen to
    start, so it has no `started_at`.

    Args:
        job: the job as it stood before `events` were read, so that each of its attempts is among them.
        events: its ledger, in order.
    """
    told = dict.fromkeys((e.step, e.attempt) for e in events if e.attempt is not None)
    place = {attempt: at for at, attempt in enumerate(told)}
    made = [(step.name, attempt) for step in job.steps for attempt in step.attempts]
    return tuple(sorted(made, key=lambda each: place.get((each[0], each[1].number), -1)))


def _state(job: Job, step: str | None, attempt: int | None) -> State:
    """Say where the thing stands that a note speaks of."""
    if step is None:
        return job.state
    run = find_step(job, step)
    if attempt is None:
        return run.state
    return next((each.state for each in run.attempts if each.number == attempt), State.PENDING)


def _apply_to_job(job: Job, event: Event) -> Job:
    """Move the job itself, and count the time in which nothing of it ran because it was held."""
    going = event.state in {State.DISPATCHED, State.RUNNING}
    held = event.state is State.PAUSED
    paused = 0.0 if job.paused_at is None or held else (event.at - job.paused_at).total_seconds()
    return replace(
        job,
        paused_at=(job.paused_at or event.at) if held else None,
        paused=job.paused + max(0.0, paused),
        state=event.state,
        reason=event.reason,
        exit_code=event.exit_code,
        started_at=job.started_at or (event.at if going else None),
        finished_at=event.at if event.state.ended else None,
    )


def _apply_to_step(step: StepRun, event: Event) -> StepRun:
    """Move a step."""
    return replace(
        step,
        state=event.state,
        exit_code=event.exit_code,
        reason=event.reason,
        outputs=dict(event.outputs) or step.outputs,
    )


def _try(job: Job, step: StepRun, event: Event) -> StepRun:
    """Move an attempt, and its step as far as an attempt alone can: begun, running and held, never ended."""
    number = event.attempt or 0
    known = {each.number: each for each in step.attempts}
    before = known.get(number) or Attempt(id=attempt_id(job.id, step.name, number), number=number)
    known[number] = replace(
        before,
        state=event.state,
        boot_id=event.boot_id or before.boot_id,
        exit_code=event.exit_code,
        reason=event.reason,
        started_at=before.started_at or (event.at if event.state is State.RUNNING else None),
        finished_at=event.at if event.state.ended else None,
        stored=before.stored if event.stored is None else event.stored,
        length=event.length if event.length is not None else before.length,
        sha256=event.sha256 or before.sha256,
    )
    signal = _signal_of(before.state, event.state)
    state = step.state if signal is None else advance(Level.STEP, step.state, signal)
    return replace(step, state=state, attempts=tuple(known[each] for each in sorted(known)))


def _signal_of(before: State, after: State) -> Signal | None:
    """Say how far an attempt moves its step."""
    if after is State.RUNNING:
        return Signal.RESUME if before is State.PAUSED else Signal.START
    return {State.DISPATCHED: Signal.DISPATCH, State.PAUSED: Signal.PAUSE}.get(after)
