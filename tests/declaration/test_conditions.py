"""`when` decides from the steps before it and the values it was resolved with."""

import pytest

from controller.declaration.conditions import StepSeen, evaluate_when
from controller.declaration.renderer import Renderer
from controller.errors import DeclarationError
from controller.model.work import StepWork


def test_a_condition_sees_states_outputs_and_its_values() -> None:
    step = StepWork(
        name="b",
        text="x",
        when="steps.a.state == 'succeeded' and steps.a.outputs.rows == vars.rows",
        sees={"vars": {"rows": "3"}},
    )
    with Renderer() as renderer:
        assert evaluate_when(
            renderer, step, {"a": StepSeen(state="succeeded", outputs={"rows": "3"})}
        )
        assert not evaluate_when(
            renderer, step, {"a": StepSeen(state="failed", outputs={"rows": "3"})}
        )
        with pytest.raises(DeclarationError, match="rows is not defined"):
            evaluate_when(renderer, step, {"a": StepSeen(state="succeeded")})


def test_a_step_without_a_condition_runs() -> None:
    with Renderer() as renderer:
        assert evaluate_when(renderer, StepWork(name="a", text="x"), {})
        assert renderer._child is None
