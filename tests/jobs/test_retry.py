from dataclasses import replace
from datetime import timedelta

from hypothesis import given, strategies as st

from controller.jobs.marker import marker_digest
from controller.jobs.retry import LONGEST_DELAY, again, due
from controller.model.ids import JobId, RunId
from controller.model.job import Job, JobBody, State, Trigger
from controller.model.task import Retry
from controller.model.work import StepKind, StepWork
from controller.transport.port import AttemptSpec
from tests.fakes.fleet import Program
from tests.jobs.rig import Rig, chain

NOW = Rig().clock.now()


def test_each_pause_is_longer_by_the_back_off() -> None:
    retry = Retry(limit=9, delay=5, backoff=2)
    pauses = [(due(retry, n, NOW) - NOW).total_seconds() for n in (1, 2, 3)]
    assert pauses == [5, 10, 20]


@given(st.floats(0, 1e9), st.floats(1, 1e9), st.integers(1, 10_000))
def test_no_pause_is_longer_than_a_day(delay: float, backoff: float, failures: int) -> None:
    moment = due(Retry(delay=delay, backoff=backoff), failures, NOW)
    assert NOW <= moment <= NOW + timedelta(seconds=LONGEST_DELAY)


async def test_a_retried_job_is_a_new_job_and_runs_everything() -> None:
    broken = True
    rig = Rig(lambda _s, spec: Program(exit_code=int(spec.text == b"b" and broken)))
    job, body = rig.job(chain("a", "b"))
    (failed,) = await rig.run((job, body))
    broken = False
    new, new_body = retried(rig, replace(failed, owner="ana"), body, failed_only=False)
    assert new.owner == "ana"
    assert new.trigger is Trigger.RETRY
    assert new.cause == f"retry of job {job.id}, which is failed"
    (done,) = await rig.run((new, new_body), run="run2")
    assert done.state is State.SUCCEEDED
    assert sum(rig.fleet.starts.values()) == 4


async def test_failed_only_takes_over_what_succeeded_with_its_outputs() -> None:
    seen: list[str | None] = []
    broken = True

    def behave(_server: str, spec: AttemptSpec) -> Program:
        seen.append(spec.env.get("CTL_OUT_A_V"))
        return Program(exit_code=int(spec.text == b"b" and broken), outputs=b"v=1\n")

    rig = Rig(behave)
    job, body = rig.job(chain("a", "b"))
    (failed,) = await rig.run((job, body))
    broken = False
    (done,) = await rig.run(retried(rig, failed, body, failed_only=True), run="run2")
    assert done.state is State.SUCCEEDED
    assert sum(rig.fleet.starts.values()) == 3
    assert seen == [None, "1", "1"]
    assert rig.marker() == await rig.record()


def retried(rig: Rig, failed: Job, body: JobBody, *, failed_only: bool) -> tuple[Job, JobBody]:
    return again(
        failed,
        body,
        id_=JobId(rig.id()),
        run=RunId("run2"),
        now=rig.clock.now(),
        expect=marker_digest(rig.fleet.machine("web-1").markers["main", "shop"]),
        failed_only=failed_only,
    )


async def test_of_a_change_that_was_undone_nothing_is_taken_over() -> None:
    def behave(_server: str, spec: AttemptSpec) -> Program:
        name = spec.id.split(".")[1]
        told = b"decision=reverted\nrevert=0\n" if name == "_confirm" else b""
        code = int(name in {"_confirm", "two"})
        return Program(seconds=5 * (name == "_confirm"), exit_code=code, outputs=told)

    rig = Rig(behave)
    guard = StepWork(name="_confirm", text="", kind=StepKind.CONFIRM, timeout=60.0)
    made = rig.job((guard, *chain("one", "two")))
    (failed,) = await rig.run(made)
    assert [run.state for run in failed.steps] == [State.FAILED, State.SUCCEEDED, State.FAILED]
    new, _ = retried(rig, failed, made[1], failed_only=True)
    assert {run.state for run in new.steps} == {State.PENDING}
