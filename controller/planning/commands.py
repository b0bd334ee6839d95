"""The commands of a change as people see them: rendered, in order, secret parameters masked.

Called by `planner`.
"""

from typing import Final

from controller.model.work import StepWork, Work

MASK: Final = "********"


def commands(work: Work) -> tuple[str, ...]:
    """List what the steps would run."""
    hidden = [str(work.params[name]) for name in work.masked if work.params.get(name)]
    return tuple(_masked(_command(step), hidden) for step in work.steps)


def _command(step: StepWork) -> str:
    return step.text if step.script is None else f"script {step.script}"


def _masked(text: str, hidden: list[str]) -> str:
    for value in sorted(hidden, key=len, reverse=True):
        text = text.replace(value, MASK)
    return text
