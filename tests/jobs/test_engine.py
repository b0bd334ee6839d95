"""The engine on a simulated fleet."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

import pytest

from controller.errors import (
    DeclarationError,
    NotFoundError,
    RefusedError,
    SecretError,
    StateError,
    Unreachable,
)
from controller.jobs.marker import marker_digest
from controller.journal.artifacts import SavedFile
from controller.model.ids import JobId, RunId
from controller.model.job import Event, Job, JobBody, Run, State
from controller.model.task import Result, ResultType
from controller.store.memory import MemoryJobs, MemoryRuns, MemoryStore
from controller.transport.port import AttemptSpec
from tests.fakes.fleet import Program
from tests.jobs.rig import Retry, Rig, chain, digest, step


async def test_a_job_runs_its_steps_and_leaves_the_marker_before_it_succeeds() -> None:
    rig = Rig(lambda _s, spec: Program(seconds=5, output=spec.text + b"\n"))
    (job,) = await rig.run(rig.job(chain("fetch", "build"), params={"channel": "stable"}))
    assert job.state is State.SUCCEEDED
    assert [run.state for run in job.steps] == [State.SUCCEEDED, State.SUCCEEDED]
    marker = rig.marker()
    assert marker is not None
    assert marker.applied == digest("v1")
    assert marker.tried is None
    assert marker.params == {"channel": "stable"}
    assert marker == await rig.record()
    assert rig.fleet.machine("web-1").locks == {}
    assert sorted(bytes(kept) for kept in rig.output.files.values()) == [b"build\n", b"fetch\n"]
    assert rig.activity.events() == [
        "run-submitting",
        "run-submitted",
        "job-starting",
        "job-ended",
    ]


async def test_tried_stands_on_the_server_before_the_first_step_starts() -> None:
    seen: list[object] = []

    def look(_server: str, _spec: AttemptSpec) -> Program:
        seen.append(rig.marker())
        return Program(exit_code=3)

    rig = Rig(look)
    (job,) = await rig.run(rig.job())
    assert job.state is State.FAILED
    assert job.exit_code == 3
    (before,) = seen
    assert before is not None
    after = rig.marker()
    assert after is not None
    assert after.applied is None
    assert after.tried is not None
    assert (after.tried.digest, after.tried.state) == (digest("v1"), State.FAILED)


async def test_a_failed_step_skips_what_needs_it_and_nothing_else() -> None:
    rig = Rig(lambda _s, spec: Program(exit_code=int(spec.text == b"bad")))
    steps = (step("bad"), step("child", "bad"), step("grandchild", "child"), step("free"))
    (job,) = await rig.run(rig.job(steps))
    states = {run.name: run.state for run in job.steps}
    assert job.state is State.FAILED
    assert states == {
        "bad": State.FAILED,
        "child": State.SKIPPED,
        "grandchild": State.SKIPPED,
        "free": State.SUCCEEDED,
    }


async def test_continue_on_error_forgives() -> None:
    rig = Rig(lambda _s, spec: Program(exit_code=int(spec.text == b"bad")))
    (job,) = await rig.run(rig.job((step("bad", continue_on_error=True), step("child", "bad"))))
    assert job.state is State.SUCCEEDED
    assert job.steps[1].state is State.SUCCEEDED


async def test_steps_that_wait_for_nothing_run_at_once() -> None:
    rig = Rig(lambda _s, _p: Program(seconds=100))
    began = rig.clock.now()
    await rig.run(rig.job((step("a"), step("b"), step("c", "a", "b"))))
    assert rig.fleet.machine("web-1").busiest == 2
    assert (rig.clock.now() - began).total_seconds() < 210


async def test_retries_wait_longer_each_time_and_end() -> None:
    rig = Rig(lambda _s, _p: Program(exit_code=1))
    began = rig.clock.now()
    (job,) = await rig.run(rig.job((step("x", retry=Retry(limit=2, delay=5, backoff=2)),)))
    assert job.state is State.FAILED
    assert len(job.steps[0].attempts) == 3
    assert (rig.clock.now() - began).total_seconds() == 15
    assert set(rig.fleet.starts.values()) == {1}


async def test_when_is_asked_with_what_is_known_by_then() -> None:
    rig = Rig(lambda _s, spec: Program(exit_code=int(spec.text == b"bad")))
    steps = (
        step("bad", continue_on_error=True),
        step("repair", "bad", when="bad.failed"),
        step("never", "bad", when="bad.succeeded"),
        step("after", "never"),
    )
    (job,) = await rig.run(rig.job(steps))
    assert [run.state for run in job.steps[1:]] == [
        State.SUCCEEDED,
        State.SKIPPED,
        State.SUCCEEDED,
    ]


async def test_outputs_reach_the_steps_after_masked() -> None:
    seen: dict[str, str] = {}

    def behave(_server: str, spec: AttemptSpec) -> Program:
        seen.update(spec.env)
        return Program(outputs=b"version=1.2\npw=hunter2secret\nnonsense\n")

    rig = Rig(behave, secrets={"db": "hunter2secret"})
    (job,) = await rig.run(rig.job(chain("fetch-all", "use"), secrets={"DB": "db"}))
    assert seen["CTL_OUT_FETCH_ALL_VERSION"] == "1.2"
    assert seen["CTL_OUT_FETCH_ALL_PW"] == "*" * 13
    assert seen["DB"] == "hunter2secret"
    assert "hunter2secret" not in repr(await rig.store.jobs.events(job.id))
    assert job.steps[0].reason == "1 lines of CTL_OUTPUT are not outputs"


async def test_a_secret_that_cannot_be_read_refuses_the_run_before_anything_is_recorded() -> None:
    rig = Rig()
    with pytest.raises(SecretError):
        await rig.submit(rig.job(secrets={"DB": "db"}))
    assert await rig.store.runs.list() == ()
    assert rig.fleet.machines == {}


async def test_an_environment_no_process_can_have_refuses_the_run() -> None:
    rig = Rig()
    with pytest.raises(DeclarationError, match="NUL"):
        await rig.submit(rig.job(env={"A": "x\0y"}))
    assert await rig.store.runs.list() == ()


async def test_a_server_that_is_not_reached_leaves_its_job_pending_and_stops_no_other() -> None:
    rig = Rig()
    rig.fleet.lay_down("web-2")
    jobs = await rig.run(rig.job(), rig.job(server="web-2"))
    assert [(job.state, job.reason) for job in jobs] == [
        (State.SUCCEEDED, None),
        (State.PENDING, "Unreachable"),
    ]
    assert ("unreachable", Unreachable.TCP) in [
        (event, fields.get("cause")) for event, fields in rig.connectivity.lines
    ]


async def test_another_marker_means_not_started() -> None:
    rig = Rig()
    jobs = await rig.run(rig.job(expect=digest("something else")))
    assert (jobs[0].state, jobs[0].reason) == (State.SKIPPED, "stale")
    assert not rig.fleet.starts
    assert rig.marker() is None
    assert await rig.record() is None


async def test_a_lock_of_somebody_else_is_named() -> None:
    rig = Rig(lambda _s, _p: Program(seconds=100))
    other = Rig()
    other.fleet, other.clock = rig.fleet, rig.clock
    first = asyncio.create_task(rig.run(rig.job()))
    await rig.clock.sleep(10)
    (job,) = await other.run(other.job(run="run2", inputs="v2"), run="run2")
    assert job.state is State.SKIPPED
    assert job.reason == "locked by tester@laptop since 2026-03-01 12:00:00 UTC"
    assert (await first)[0].state is State.SUCCEEDED


async def test_one_server_does_one_job_at_a_time_in_order_of_target() -> None:
    order: list[str] = []

    def behave(_server: str, spec: AttemptSpec) -> Program:
        order.append(spec.env["CTL_TARGET"])
        return Program(seconds=10)

    rig = Rig(behave)
    await rig.run(*(rig.job(target=name) for name in ("c", "a", "b")))
    assert order == ["a", "b", "c"]
    assert rig.fleet.machine("web-1").busiest == 1


async def test_concurrency_of_a_server_never_runs_two_jobs_of_one_target() -> None:
    rig = Rig(lambda _s, _p: Program(seconds=10))
    same = [rig.job(concurrency=5, target="same", inputs=f"v{i}") for i in range(2)]
    await rig.run(*same, *(rig.job(concurrency=5, target=t) for t in ("x", "y")))
    assert rig.fleet.machine("web-1").busiest == 3


async def test_parallel_bounds_all_servers_together() -> None:
    most = 0

    def behave(_server: str, _spec: AttemptSpec) -> Program:
        nonlocal most
        now = rig.clock.now()
        machines = rig.fleet.machines.values()
        busy = sum(run.ends > now for m in machines for run in m.runs.values())
        most = max(most, busy + 1)
        return Program(seconds=10)

    rig = Rig(behave)
    engine = await rig.submit(*(rig.job(server=f"web-{n}") for n in range(20)))
    report = await engine.drive(RunId("run1"), parallel=4)
    assert report.counts.succeeded == 20
    assert most == 4


async def test_a_time_out_is_told_apart_from_failure() -> None:
    rig = Rig(lambda _s, _p: Program(seconds=100))
    (job,) = await rig.run(rig.job((step("slow", timeout=10.0), step("next", "slow"))))
    assert job.state is State.TIMED_OUT
    assert job.steps[0].exit_code == 124


async def test_the_time_of_the_task_holds_for_all_its_steps() -> None:
    rig = Rig(lambda _s, _p: Program(seconds=40))
    (job,) = await rig.run(rig.job(chain("a", "b", "c"), timeout=60.0))
    assert [run.state for run in job.steps] == [
        State.SUCCEEDED,
        State.TIMED_OUT,
        State.SKIPPED,
    ]


async def test_when_waiting_ends_work_goes_on_and_is_settled_later() -> None:
    rig = Rig(lambda _s, _p: Program(seconds=100, output=b"done\n"))
    engine = await rig.submit(rig.job(chain("a", "b")), rig.job(target="zz"))
    report = await engine.drive(RunId("run1"), within=50)
    assert report.waiting
    assert report.counts.open == 2
    settled = await rig.engine().settle()
    assert [job.state for job in settled.jobs] == [State.SUCCEEDED, State.CANCELLED]
    assert set(rig.fleet.starts.values()) == {1}
    assert len(rig.fleet.starts) == 2
    run = await rig.store.runs.get(RunId("run1"))
    assert run is not None
    assert run.finished_at is not None


async def test_artifacts_and_result_files_are_fetched_and_the_spool_is_cleaned() -> None:
    rig = Rig(lambda _s, _p: Program(output=b"x", files={"log/a": b"A", "/out.txt": b"B"}))
    job, body = rig.job(result=_file("/out.txt"))
    (job,) = await rig.run((job, body))
    assert rig.artifacts.files == {
        (job.id, "artifacts/log/a"): b"A",
        (job.id, "result/out.txt"): b"B",
    }
    assert not [p for p in rig.fleet.machine("web-1").files if p.startswith("artifacts")]


async def test_a_promised_file_that_is_not_there_fails_the_job() -> None:
    rig = Rig()
    (job,) = await rig.run(rig.job(result=_file("/out.txt")))
    assert (job.state, job.reason) == (State.FAILED, "the result file /out.txt is not there")


async def test_a_run_that_was_never_recorded_cannot_be_driven() -> None:
    with pytest.raises(NotFoundError):
        await Rig().engine().drive(RunId("nothing"))


def _file(path: str) -> Result:
    return Result(type=ResultType.FILE, path=path)


async def test_halt_ends_the_waiting_and_leaves_the_work() -> None:
    rig = Rig(lambda _s, _p: Program(seconds=100))
    engine = await rig.submit(rig.job(chain("a", "b")), rig.job(target="zz"))
    driving = asyncio.create_task(engine.drive(RunId("run1")))
    await rig.clock.sleep(10)
    engine.halt()
    report = await driving
    assert report.waiting
    assert [job.state for job in report.jobs] == [State.RUNNING, State.PENDING]
    assert rig.activity.events()[-1] == "waiting-ended"
    await rig.clock.sleep(500)
    assert len(rig.fleet.starts) == 1


async def test_a_cancelled_drive_starts_nothing_more() -> None:
    rig = Rig(lambda _s, _p: Program(seconds=100))
    engine = await rig.submit(rig.job(chain("a", "b")), rig.job(target="zz"))
    driving = asyncio.create_task(engine.drive(RunId("run1")))
    await rig.clock.sleep(10)
    driving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await driving
    await rig.clock.sleep(500)
    assert len(rig.fleet.starts) == 1
    settled = await rig.engine().settle()
    assert [job.state for job in settled.jobs] == [State.SUCCEEDED, State.CANCELLED]


async def test_a_state_that_cannot_be_written_stops_everything() -> None:
    class Full(MemoryJobs):
        async def append(self, job: Job, events: Sequence[Event]) -> None:
            if any(event.step is not None for event in events):
                raise StateError("cannot write: no space left")
            await super().append(job, events)

    store = MemoryStore()
    store.jobs = Full()
    store.runs = MemoryRuns(store.jobs)
    rig = Rig(store=store)
    engine = await rig.submit(*(rig.job(server=f"web-{n}") for n in range(5)))
    with pytest.raises(StateError, match="no space left"):
        await engine.drive(RunId("run1"), parallel=1)
    assert not rig.fleet.starts
    assert len(rig.fleet.machines) == 1


async def test_a_run_that_cannot_be_recorded_is_told_of_as_refused() -> None:
    class Full(MemoryRuns):
        async def add(self, run: Run, jobs: Sequence[tuple[Job, JobBody]]) -> bool:
            raise StateError(f"cannot write {run.id}: no space left for {len(jobs)} jobs")

    store = MemoryStore()
    store.runs = Full(store.jobs)
    rig = Rig(store=store)
    with pytest.raises(StateError, match="no space left"):
        await rig.submit(rig.job())
    assert rig.activity.events() == ["run-submitting", "run-refused"]
    (_, before), (_, after) = rig.activity.lines
    assert after == {**before, "reason": "cannot write run1: no space left for 1 jobs"}


async def test_what_is_wrong_with_one_job_is_told_and_touches_no_other() -> None:
    rig = Rig()
    large = {"x": "y" * 70_000}
    engine = await rig.submit(rig.job(params=large, env={}), rig.job(server="web-2"))
    report = await engine.drive(RunId("run1"))
    (sick, well) = report.jobs
    assert well.state is State.SUCCEEDED
    assert (sick.state, report.counts.refused) == (State.SKIPPED, 1)
    assert "the marker would have" in (sick.reason or "")
    assert not any(sick.id in attempt for attempt in rig.fleet.starts)
    assert rig.marker() is None


async def test_half_a_job_is_not_done_where_a_later_step_cannot_become_its_user() -> None:
    rig = Rig()
    rig.fleet.root = False
    report = await rig.run(rig.job((step("one"), step("two", "one", user="postgres"))))
    assert [job.state for job in report] == [State.FAILED]
    assert "cannot run as postgres" in (report[0].reason or "")
    assert not rig.fleet.starts
    again = await rig.run(rig.job((step("one", user="deploy"),)), run="run2")
    assert [job.state for job in again] == [State.SUCCEEDED]


async def test_a_server_that_goes_between_two_tries_leaves_work_that_is_taken_up_later() -> None:
    def behave(_server: str, spec: AttemptSpec) -> Program:
        failed = spec.id.split(".")[1:] == ["two", "1"]
        return Program(seconds=0 if failed else 90, exit_code=int(failed))

    rig = Rig(behave)
    steps = (step("one"), step("two", retry=Retry(limit=1, delay=30.0)), step("three", "one"))
    engine = await rig.submit(rig.job(steps))

    def fall(_server: str, what: str, _before: bool) -> None:
        if what == "output" and len(rig.fleet.starts) == 2:
            rig.fleet.lay_down("web-1")

    rig.fleet.disturb = fall
    (job,) = (await engine.drive(RunId("run1"))).jobs
    assert job.state is State.LOST
    rig.fleet.disturb = lambda _server, _what, _before: None
    rig.fleet.stand_up("web-1")
    settled = await rig.engine().settle()
    assert [job.state for job in settled.jobs] == [State.SUCCEEDED]
    assert set(rig.fleet.starts.values()) == {1}
    assert not settled.troubles


async def test_a_stop_is_heard_while_the_next_try_is_not_due() -> None:
    started = asyncio.Event()

    def behave(_server: str, _spec: AttemptSpec) -> Program:
        started.set()
        return Program(exit_code=1)

    rig = Rig(behave)
    pair = rig.job((step("one", retry=Retry(limit=3, delay=3600.0)),))
    engine = await rig.submit(pair)
    began = rig.clock.now()
    work = asyncio.create_task(engine.drive(RunId("run1")))
    await started.wait()
    await rig.store.jobs.request_stop(pair[0].id)
    (job,) = (await work).jobs
    assert job.state is State.FAILED
    assert (rig.clock.now() - began).total_seconds() < 60
    assert len(rig.fleet.starts) == 1


@pytest.mark.parametrize("bad", ["../etc", "a//b"])
async def test_odd_names_of_artifacts_harm_only_themselves(bad: str) -> None:
    rig = Rig(lambda _s, _p: Program(files={bad: b"x", "good": b"y"}))
    save = rig.artifacts.save

    async def picky(
        job: JobId, path: str, chunks: AsyncIterator[bytes], tell: Callable[[int], None]
    ) -> SavedFile:
        if bad in path:
            raise RefusedError(f"cannot use {path}")
        return await save(job, path, chunks, tell)

    rig.artifacts.save = picky  # type: ignore[method-assign]
    (job,) = await rig.run(rig.job())
    assert job.state is State.SUCCEEDED
    assert [path for _, path in rig.artifacts.files] == ["artifacts/good"]
    assert "file-refused" in rig.activity.events()


async def test_secrets_that_vanish_after_submit_fail_the_job_before_anything_is_touched() -> None:
    rig = Rig(secrets={"db": "hunter2secret"})
    engine = await rig.submit(rig.job(secrets={"DB": "db"}))
    rig.secrets.clear()
    report = await engine.drive(RunId("run1"))
    assert [job.state for job in report.jobs] == [State.FAILED]
    assert rig.fleet.machines == {}


async def test_running_work_is_not_followed_while_its_output_cannot_be_masked() -> None:
    rig = Rig(
        lambda _s, _p: Program(seconds=50, output=b"hunter2secret"), secrets={"db": "hunter2secret"}
    )
    engine = await rig.submit(rig.job(secrets={"DB": "db"}))

    def lose(_server: str, what: str, before: bool) -> None:
        if what == "output" and before:
            engine.halt()

    rig.fleet.disturb = lose
    await engine.drive(RunId("run1"))
    kept = rig.secrets.pop("db")
    rig.output.files.clear()
    settled = await rig.engine().settle()
    assert [job.state for job in settled.jobs] == [State.RUNNING]
    assert list(settled.troubles.values()) == ["cannot read secret db"]
    assert not rig.output.files
    rig.secrets["db"] = kept
    assert [job.state for job in (await rig.engine().settle()).jobs] == [State.SUCCEEDED]
    assert [bytes(each) for each in rig.output.files.values()] == [b"*" * 13]


async def test_the_applied_record_holds_keyed_digests_and_no_secret() -> None:
    rig = Rig(secrets={"db": "hunter2secret"})
    job, body = rig.job(
        secrets={"DB": "db"}, params={"pin": "4711", "a": 1}, masked=("pin",), inputs="v1"
    )
    await rig.run((job, body))
    marker = rig.marker()
    assert marker is not None
    assert marker.key == "ab" * 32
    assert marker.secrets == {"db": digest("ab" * 32 + "hunter2secret")}
    assert marker.params == {"a": 1}


async def test_a_second_job_keeps_the_key_and_what_was_applied_until_it_succeeds() -> None:
    rig = Rig(lambda _s, spec: Program(exit_code=int(spec.env["CTL_PARAM_V"] == "2")))
    await rig.run(rig.job(params={"v": "1"}))
    content = rig.fleet.machine("web-1").markers["main", "shop"]
    again = rig.job(params={"v": "2"}, inputs="v2", expect=marker_digest(content))
    (job,) = await rig.run(again, run="run2")
    assert job.state is State.FAILED
    marker = rig.marker()
    assert marker is not None
    assert (marker.applied, marker.key) == (digest("v1"), "ab" * 32)
    assert marker.tried is not None
    assert (marker.tried.digest, marker.tried.state) == (digest("v2"), State.FAILED)


async def test_a_task_without_a_target_leaves_no_marker() -> None:
    rig = Rig()
    (job,) = await rig.run(rig.job(target=None))
    assert job.state is State.SUCCEEDED
    assert rig.fleet.machine("web-1").markers == {}
    assert await rig.store.records.all() == {}


async def test_stdin_goes_to_the_first_step_only() -> None:
    seen: list[bytes] = []

    def behave(_server: str, spec: AttemptSpec) -> Program:
        seen.append(spec.stdin)
        return Program()

    rig = Rig(behave)
    job, body = rig.job(chain("a", "b"))
    engine = await rig.submit((job, replace(body, fed=True)))
    await engine.drive(RunId("run1"), stdin=b"hello")
    assert seen == [b"hello", b""]


async def test_a_step_is_never_sent_without_the_input_it_was_given() -> None:
    rig = Rig()
    job, body = rig.job(chain("a", "b"))
    engine = await rig.submit((job, replace(body, fed=True)))

    def fall(server: str, what: str, _before: bool) -> None:
        if what == "claim_target":
            rig.fleet.lay_down(server)

    rig.fleet.disturb = fall
    (left,) = (await engine.drive(RunId("run1"), stdin=b"hello")).jobs
    assert (left.state, left.reason) == (State.DISPATCHED, "Unreachable")
    rig.fleet.disturb = lambda _server, _what, _before: None
    rig.fleet.stand_up("web-1")
    (settled,) = (await rig.engine().settle()).jobs
    assert settled.state is State.FAILED
    assert "its standard input went" in (settled.reason or "")
    assert not rig.fleet.starts


async def test_jobs_of_one_server_share_one_session_and_the_last_closes_it() -> None:
    rig = Rig(lambda _s, _p: Program(seconds=5))
    opened: list[str] = []

    def count(server: str, what: str, _before: bool) -> None:
        if what == "open":
            opened.append(server)

    rig.fleet.disturb = count
    await rig.run(*(rig.job(target=name, concurrency=2) for name in "abcd"))
    assert opened == ["web-1"]
    assert not rig.fleet.machine("web-1").sessions
