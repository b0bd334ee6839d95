"""Whether a job as a whole goes on or is held, by its steps.

Pure. Asked by `record` after every line of a ledger, so that the job says the same as its steps.
"""

from typing import Final

from controller.jobs.machine import Signal
from controller.model.job import Job, State
from controller.model.work import STEP_NAMES, StepKind

GUARD: Final = STEP_NAMES[StepKind.CONFIRM]
"""The step that undoes a change unless it is confirmed: it is never held, and runs beside all others."""


def pace(job: Job) -> Signal | None:
    """Say what is to be written down of the job: it is held when one of its steps is and none runs."""
    states = {step.state for step in job.steps if step.name != GUARD}
    held = State.PAUSED in states and not states & {State.DISPATCHED, State.RUNNING}
    if job.state is State.RUNNING and held:
        return Signal.PAUSE
    if job.state is State.PAUSED and not held:
        return Signal.RESUME
    return None
