from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from controller.errors import DeclarationError
from controller.jobs.environment import TOTAL_LIMIT, VALUE_LIMIT, environment, shout
from controller.model.ids import Sha
from controller.model.job import StepRun
from tests.jobs.rig import Rig, step


def told(
    secrets: dict[str, str] | None = None,
    *,
    env: dict[str, str] | None = None,
    params: dict[str, object] | None = None,
) -> dict[str, str]:
    steps = (step("build", env={"A": "step"}),)
    job, body = Rig().job(steps, env=env or {}, params=params or {})
    job = replace(job, commit=Sha("1" * 40), branch="main")
    return environment(job, body, body.work.steps[0], secrets or {})


def test_a_step_learns_who_it_is() -> None:
    env = told()
    assert env["CTL_STEP"] == "build"
    assert env["CTL_TARGET"] == "shop"
    assert env["CTL_SERVER"] == "web-1"
    assert env["CTL_TASK"] == "deploy"
    assert env["CTL_COMMIT"] == "1" * 40
    assert env["CTL_BRANCH"] == "main"
    assert "CTL_PREVIOUS_COMMIT" not in env


def test_parameters_are_text_or_json() -> None:
    env = told(params={"dry-run": True, "name": "x y", "list": [1, "ä"], "none": None})
    assert env["CTL_PARAM_DRY_RUN"] == "true"
    assert env["CTL_PARAM_NAME"] == "x y"
    assert env["CTL_PARAM_LIST"] == '[1,"ä"]'
    assert "CTL_PARAM_NONE" not in env


def test_the_step_wins_over_the_task_ours_over_both_and_secrets_over_all() -> None:
    env = told({"S": "secret"}, env={"A": "task", "CTL_JOB": "mine", "S": "task"})
    assert env["A"] == "step"
    assert env["CTL_JOB"] != "mine"
    assert env["S"] == "secret"


def test_outputs_of_earlier_steps_are_variables() -> None:
    job, body = Rig().job((step("build"),))
    job = replace(job, steps=(StepRun(name="get-it", outputs={"version": "1"}), *job.steps))
    env = environment(job, body, body.work.steps[0], {})
    assert env["CTL_OUT_GET_IT_VERSION"] == "1"


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"A B": "x"}, "named 'A B'"),
        ({"1A": "x"}, "named '1A'"),
        ({"": "x"}, "named ''"),
        ({"A=B": "x"}, "named 'A=B'"),
        ({"A\n": "x"}, "named"),
        ({"V": "x\0"}, "NUL"),
        ({"V": "x" * (VALUE_LIMIT + 1)}, "the limit is 131000"),
        ({"V": "\ud800"}, "Unicode"),
        ({f"A{n}": "x" * 100_000 for n in range(12)}, f"the limit is {TOTAL_LIMIT}"),
    ],
)
def test_what_no_process_can_be_given_is_refused(env: dict[str, str], says: str) -> None:
    with pytest.raises(DeclarationError, match=says):
        told(env=env)


def test_a_refusal_never_shows_a_value() -> None:
    with pytest.raises(DeclarationError) as caught:
        told({"S": "hunter2\0"})
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


def test_secret_bytes_that_are_not_text_pass() -> None:
    assert told({"S": b"\xff\x01".decode(errors="surrogateescape")})["S"] == "\udcff\x01"


@given(st.text())
def test_any_name_becomes_one_of_a_variable(name: str) -> None:
    assert set(shout(name)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
