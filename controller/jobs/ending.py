"""How a job ends: its state and its reason, from how its steps have ended.

Pure. Called by `job` when nothing of the job is left to do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from controller.jobs.dag import job_state
from controller.jobs.reasons import REVERTED, UNHEALTHY
from controller.model.job import State, StepRun
from controller.model.work import StepKind, StepWork

DECISION: Final = "decision"
"""The output of the confirm step that says who was first: `CONFIRMED` or `UNDONE`."""
CONFIRMED: Final = "confirmed"
UNDONE: Final = "reverted"
UNDOING: Final = "revert"
"""The output with the exit code of what undid the change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """Why nothing more of a job may be sent, and how it ends by that if nothing worse happened.

    `evicted`: the target is somebody else's now, and its marker is not ours to write.
    """

    state: State
    reason: str
    evicted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a job ends."""

    state: State
    reason: str | None = None
    exit_code: int | None = None


def end_of(
    steps: Sequence[StepWork], runs: Mapping[str, StepRun], bar: Bar | None, *, whole: bool
) -> End:
    """Say how a job ends.

    Args:
        steps: all its steps.
        runs: how they ended, by name.
        bar: why nothing more was sent, if so.
        whole: whether every step had its turn.
    """
    guard = next((runs[step.name] for step in steps if step.kind is StepKind.CONFIRM), None)
    others = [step for step in steps if step.kind is not StepKind.CONFIRM]
    end = _without_guard(others, runs, bar, whole=whole)
    return end if guard is None else _with_guard(end, guard)


def _without_guard(
    steps: Sequence[StepWork], runs: Mapping[str, StepRun], bar: Bar | None, *, whole: bool
) -> End:
    """Say how the steps end it; what undoes the change is left aside."""
    state = job_state(steps, runs)
    if state is State.SUCCEEDED and bar is not None and (bar.evicted or not whole):
        return End(state=bar.state, reason=bar.reason, exit_code=_last_code(steps, runs))
    if state is State.SUCCEEDED:
        return End(state=state, exit_code=_last_code(steps, runs))
    worst = next(step for step in steps if runs[step.name].state is state)
    run = runs[worst.name]
    if bar is not None and bar.state is not State.FAILED:  # what failed says more than its undoing
        return End(state=state, reason=bar.reason, exit_code=run.exit_code)
    if worst.kind is StepKind.HEALTH and state in {State.FAILED, State.TIMED_OUT}:
        return End(state=State.FAILED, reason=UNHEALTHY, exit_code=run.exit_code)
    return End(state=state, reason=reason_of(run), exit_code=run.exit_code)


def _last_code(steps: Sequence[StepWork], runs: Mapping[str, StepRun]) -> int | None:
    return runs[steps[-1].name].exit_code if steps else None


def reason_of(run: StepRun) -> str:
    """Say that a step did not end well; steps of ours go by their plain name."""
    told = f"step {run.name.removeprefix('_')} is {run.state}"
    return told + (f": {run.reason}" if run.reason else "")


def _with_guard(end: End, guard: StepRun) -> End:
    """Add what became of the change: without its confirmation no job ends well."""
    undone = guard.outputs.get(DECISION) == UNDONE
    if end.state is State.SUCCEEDED:
        if undone:
            return End(state=State.FAILED, reason=REVERTED, exit_code=guard.exit_code)
        if guard.state in {State.SUCCEEDED, State.SKIPPED}:
            return end
        return End(state=guard.state, reason=reason_of(guard), exit_code=guard.exit_code)
    if not undone or end.reason in {REVERTED, UNHEALTHY}:
        return end
    well = guard.outputs.get(UNDOING) == "0"
    told = "the change was undone" if well else "undoing the change failed"
    return replace(end, reason=f"{end.reason}; {told}" if end.reason else told)
