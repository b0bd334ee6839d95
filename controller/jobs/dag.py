"""Which steps may begin, which never will, and what their states make of the job.

Pure. Called by `job` after every change of a step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from controller.model.job import State, StepRun
from controller.model.work import StepWork

WHEN_FALSE: Final = "when is false"
"""The reason of a step that chose not to run; it does not hold back those that need it."""

WORST_FIRST: Final = (
    State.LOST,
    State.INTERRUPTED,
    State.TIMED_OUT,
    State.FAILED,
    State.CANCELLED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """What can be said of the pending steps: `ready` may begin, `doomed` wait for something that went wrong."""

    ready: tuple[str, ...] = ()
    doomed: Mapping[str, str]
    """Step to the reason it will be skipped for."""


def frontier(steps: Sequence[StepWork], runs: Mapping[str, StepRun]) -> Frontier:
    """Sort the pending steps into ready, doomed and waiting.

    A need is met by success, by a failure that `continue_on_error` forgives, and by a `when` that was false.
    """
    forgiving = {step.name for step in steps if step.continue_on_error}
    ready: list[str] = []
    doomed: dict[str, str] = {}
    for step in steps:
        if runs[step.name].state is not State.PENDING:
            continue
        needs = [runs[need] for need in step.needs if need in runs]
        bad = next((need for need in needs if _blocks(need, forgiving)), None)
        if bad is not None:
            doomed[step.name] = f"needs {bad.name}, which is {bad.state}"
        elif all(need.state.ended and need.state is not State.LOST for need in needs):
            ready.append(step.name)
    return Frontier(ready=tuple(ready), doomed=doomed)


def _blocks(need: StepRun, forgiving: set[str]) -> bool:
    """Say whether a need has ended in a way that those who need it cannot get over."""
    if not need.state.ended or need.state in {State.SUCCEEDED, State.LOST}:
        return False  # lost may still turn out well
    if need.state is State.SKIPPED:
        return need.reason != WHEN_FALSE
    return need.name not in forgiving


def job_state(steps: Sequence[StepWork], runs: Mapping[str, StepRun]) -> State:
    """Say how a job ended whose steps have: the worst that no step forgives, else succeeded.

    Losing a step cannot be forgiven: nobody knows yet whether it still runs.
    """
    seen = {
        runs[step.name].state
        for step in steps
        if not step.continue_on_error or runs[step.name].state is State.LOST
    }
    return next((state for state in WORST_FIRST if state in seen), State.SUCCEEDED)
