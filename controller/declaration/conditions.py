"""`when:` of a step, evaluated against the steps before it.

Called by `jobs` (through the composition root) right before a step would start.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.declaration.renderer import Renderer
from controller.model.work import StepWork


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSeen:
    """What `when` sees of a step: its state as text, and its outputs."""

    state: str
    outputs: Mapping[str, str] = field(default_factory=dict)


def evaluate_when(renderer: Renderer, step: StepWork, steps: Mapping[str, StepSeen]) -> bool:
    """Say whether a step shall run; a step without `when:` always does.

    Raises:
        DeclarationError: the expression fails, or gives something other than true or false.
    """
    if step.when is None:
        return True
    seen = {name: {"state": one.state, "outputs": dict(one.outputs)} for name, one in steps.items()}
    return renderer.evaluate(step.when, {**step.sees, "steps": seen})
