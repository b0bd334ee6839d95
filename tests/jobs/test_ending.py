"""How a job ends, by how its steps, its health and its confirmation did."""

import pytest

from controller.jobs.ending import Bar, end_of
from controller.jobs.reasons import REVERTED, UNHEALTHY
from controller.model.job import State, StepRun
from controller.model.work import StepKind, StepWork

CONFIRM = StepWork(name="_confirm", text="", kind=StepKind.CONFIRM)
FILES = StepWork(name="_files", text="", kind=StepKind.FILES)
STEP = StepWork(name="change", text="")
HEALTH = StepWork(name="_health", text="", kind=StepKind.HEALTH)
UNDONE = {"decision": "reverted", "revert": "0"}


def run(step: StepWork, state: State, reason: str | None = None, **more: object) -> StepRun:
    return StepRun(name=step.name, state=state, reason=reason, **more)  # type: ignore[arg-type]


def end(
    *runs: StepRun, bar: Bar | None = None, whole: bool = True
) -> tuple[State, str | None, int | None]:
    known = {step.name: step for step in (CONFIRM, FILES, STEP, HEALTH)}
    steps = [known[each.name] for each in runs]
    made = end_of(steps, {each.name: each for each in runs}, bar, whole=whole)
    return made.state, made.reason, made.exit_code


def test_a_job_that_went_well_has_no_reason() -> None:
    assert end(run(STEP, State.SUCCEEDED, exit_code=0)) == (State.SUCCEEDED, None, 0)
    assert end() == (State.SUCCEEDED, None, None)


def test_steps_of_ours_go_by_their_plain_name() -> None:
    ended = end(run(FILES, State.FAILED, exit_code=1), run(STEP, State.SKIPPED))
    assert ended == (State.FAILED, "step files is failed", 1)


@pytest.mark.parametrize("state", [State.FAILED, State.TIMED_OUT])
def test_a_health_that_fails_or_takes_too_long_makes_the_job_unhealthy(state: State) -> None:
    ended = end(run(STEP, State.SUCCEEDED), run(HEALTH, state, exit_code=7))
    assert ended == (State.FAILED, UNHEALTHY, 7)


def test_a_health_that_was_cut_off_says_nothing_about_health() -> None:
    ended = end(run(STEP, State.SUCCEEDED), run(HEALTH, State.INTERRUPTED))
    assert ended[:2] == (State.INTERRUPTED, "step health is interrupted")


def test_an_undone_change_is_a_failure_of_its_own() -> None:
    guard = run(CONFIRM, State.FAILED, exit_code=1, outputs=UNDONE)
    assert end(guard, run(STEP, State.SUCCEEDED)) == (State.FAILED, REVERTED, 1)


def test_a_confirmation_that_vanished_is_no_success() -> None:
    guard = run(CONFIRM, State.INTERRUPTED, "the server rebooted")
    ended = end(guard, run(STEP, State.SUCCEEDED))
    assert ended[:2] == (State.INTERRUPTED, "step confirm is interrupted: the server rebooted")


@pytest.mark.parametrize(
    ("code", "told"), [("0", "the change was undone"), ("9", "undoing the change failed")]
)
def test_a_failure_says_what_became_of_the_change(code: str, told: str) -> None:
    guard = run(CONFIRM, State.FAILED, outputs={"decision": "reverted", "revert": code})
    ended = end(guard, run(STEP, State.TIMED_OUT, "after 5 s"))
    assert ended[:2] == (State.TIMED_OUT, f"step change is timed_out: after 5 s; {told}")


def test_a_stopped_job_stays_cancelled_although_its_guard_failed() -> None:
    guard = run(CONFIRM, State.FAILED, outputs=UNDONE)
    bar = Bar(state=State.CANCELLED, reason="stopped")
    ended = end(guard, run(STEP, State.CANCELLED), bar=bar, whole=False)
    assert ended[:2] == (State.CANCELLED, "stopped; the change was undone")


def test_what_failed_is_named_also_when_its_undoing_was_seen_first() -> None:
    guard = run(CONFIRM, State.FAILED, outputs=UNDONE)
    bar = Bar(state=State.FAILED, reason=REVERTED)
    ended = end(guard, run(STEP, State.FAILED), bar=bar, whole=False)
    assert ended[:2] == (State.FAILED, "step change is failed; the change was undone")


def test_an_unhealthy_job_is_counted_as_such_whatever_became_of_the_change() -> None:
    guard = run(CONFIRM, State.FAILED, outputs=UNDONE)
    ended = end(guard, run(STEP, State.SUCCEEDED), run(HEALTH, State.FAILED))
    assert ended[:2] == (State.FAILED, UNHEALTHY)


def test_a_job_that_was_barred_half_way_ends_as_its_bar_says() -> None:
    bar = Bar(state=State.INTERRUPTED, reason="a step was interrupted")
    runs = (run(FILES, State.SUCCEEDED), run(STEP, State.SKIPPED))
    assert end(*runs, bar=bar, whole=False)[:2] == (State.INTERRUPTED, bar.reason)
    assert end(*runs, bar=bar)[0] is State.SUCCEEDED
