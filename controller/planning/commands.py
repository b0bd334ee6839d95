"""The commands of a change as people see them: rendered, in order, secret parameters masked.

Called by `drafts` and `removal`.
"""

from collections.abc import Iterator
from typing import Final

from controller.model.ids import Sha
from controller.model.work import StepKind, StepWork, Work

MASK: Final = "********"


def commands(work: Work, commit: Sha | None = None) -> tuple[str, ...]:
    """List what the steps would do, a checkout at a commit, each file by its path."""
    hidden = [str(work.params[name]) for name in work.masked if work.params.get(name)]
    told = (line for step in work.steps for line in _told(step, work, commit))
    return tuple(_masked(line, hidden) for line in told)


def _told(step: StepWork, work: Work, commit: Sha | None) -> Iterator[str]:
    match step.kind:
        case StepKind.COMMAND:
            yield _command(step)
        case StepKind.CHECKOUT:
            if work.checkout is not None:
                at = "" if commit is None else f" at {commit[:7]}"
                yield f"checkout {work.checkout.path}{at}"
        case StepKind.FILES:
            yield from (f"write {file.path}" for file in work.files)
        case StepKind.HEALTH:
            yield f"health: {step.text}"
        case StepKind.CONFIRM:
            return


def _command(step: StepWork) -> str:
    """Name what is long by its name."""
    if step.uses is not None:
        return f"uses {step.uses}"
    return step.text if step.script is None else f"script {step.script}"


def _masked(text: str, hidden: list[str]) -> str:
    for value in sorted(hidden, key=len, reverse=True):
        text = text.replace(value, MASK)
    return text
