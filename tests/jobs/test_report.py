from dataclasses import replace

from controller.jobs.job import UNREACHABLE
from controller.jobs.reasons import BUDGET_EXHAUSTED, DEPENDENCY_FAILED, HALTED, UNHEALTHY
from controller.jobs.report import Counts, count
from controller.model.ids import AttemptId
from controller.model.job import Attempt, Job, State, StepRun
from tests.fakes.rollouts import job

ONE = job("shop", "web-1")


def as_(state: State, reason: str | None = None) -> Job:
    return replace(ONE, state=state, reason=reason)


def test_the_unhealthy_are_counted_apart_and_are_failed() -> None:
    counts = count([as_(State.FAILED, UNHEALTHY), as_(State.FAILED, "step x is failed")])
    assert counts == Counts(failed=2, unhealthy=1)


def test_who_was_not_reached_is_counted_once_however_the_job_ended() -> None:
    jobs = [as_(state, UNREACHABLE) for state in (State.PENDING, State.SKIPPED, State.FAILED)]
    assert count(jobs) == Counts(unreachable=3)


def test_what_fell_silent_while_it_worked_is_failed() -> None:
    assert count([as_(State.LOST, UNREACHABLE)]) == Counts(failed=1)


def test_what_a_halt_kept_back_is_skipped_and_was_not_refused() -> None:
    assert count([as_(State.SKIPPED, HALTED)]) == Counts(skipped=1)


def test_markers_dependencies_and_budgets_refuse() -> None:
    reasons = ("stale", DEPENDENCY_FAILED, BUDGET_EXHAUSTED)
    jobs = [as_(State.SKIPPED, reason) for reason in reasons]
    assert count(jobs) == Counts(skipped=3, refused=3)


def test_what_was_begun_and_then_skipped_was_not_refused() -> None:
    step = StepRun(name="one", attempts=(Attempt(id=AttemptId("j.one.1"), number=1),))
    assert count([replace(as_(State.SKIPPED, "x"), steps=(step,))]) == Counts(skipped=1)


def test_what_nobody_saw_end_is_open() -> None:
    jobs = [as_(State.PENDING), as_(State.RUNNING), as_(State.SUCCEEDED), as_(State.CANCELLED)]
    assert count(jobs) == Counts(open=2, succeeded=1, cancelled=1)
