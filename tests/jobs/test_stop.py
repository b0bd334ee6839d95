import asyncio
from collections.abc import Sequence

import pytest

from controller.errors import NotFoundError, RefusedError, TransportError
from controller.model.ids import JobId, RunId
from controller.model.job import Event, Job, State
from controller.store.memory import MemoryJobs, MemoryRuns, MemoryStore
from tests.fakes.fleet import Program
from tests.jobs.rig import Rig, chain, step


async def running(rig: Rig) -> tuple[JobId, asyncio.Task[object]]:
    """Start a job and let it run for a while."""
    job, body = rig.job(chain("a", "b"))
    engine = await rig.submit((job, body))
    task: asyncio.Task[object] = asyncio.create_task(engine.drive(RunId("run1")))
    await rig.clock.sleep(10)
    return job.id, task


async def test_a_stopped_job_is_cancelled_and_sends_nothing_more() -> None:
    rig = Rig(lambda _s, _p: Program(seconds=1000))
    id_, task = await running(rig)
    await rig.engine().stop(id_, alone=False)
    await task
    job = await rig.store.jobs.get(id_)
    assert job is not None
    assert [job.state, *(run.state for run in job.steps)] == [
        State.CANCELLED,
        State.CANCELLED,
        State.SKIPPED,
    ]
    assert len(rig.fleet.starts) == 1
    assert rig.activity.events()[-3:] == ["job-stopping", "job-stopped", "job-ended"]


async def test_a_stop_returns_only_when_what_ignores_it_was_killed() -> None:
    rig = Rig(lambda _s, _p: Program(seconds=1000, stubborn=True))
    id_, task = await running(rig)
    began = rig.clock.now()
    await rig.engine().stop(id_, grace=30.0, alone=False)
    assert (rig.clock.now() - began).total_seconds() == 30
    await task


async def test_a_stop_of_a_job_nobody_drives_brings_it_to_its_end() -> None:
    rig = Rig(lambda _s, _p: Program(seconds=1000))
    job, body = rig.job(chain("a", "b"))
    engine = await rig.submit((job, body))
    await engine.drive(RunId("run1"), within=10)
    stopped = await rig.engine().stop(job.id, alone=True)
    assert stopped.state is State.CANCELLED
    marker = rig.marker()
    assert marker is not None
    assert marker.tried is not None
    assert marker.tried.state is State.CANCELLED
    with pytest.raises(RefusedError, match="has ended"):
        await rig.engine().stop(job.id, alone=True)


async def test_a_stopped_step_leaves_the_job_to_its_rules() -> None:
    rig = Rig(lambda _s, spec: Program(seconds=1000 if spec.text == b"a" else 1))
    job, body = rig.job((step("a", continue_on_error=True), step("b", "a")))
    engine = await rig.submit((job, body))
    task = asyncio.create_task(engine.drive(RunId("run1")))
    await rig.clock.sleep(10)
    await rig.engine().stop(job.id, step="a", alone=False)
    (done,) = (await task).jobs
    assert done.state is State.SUCCEEDED
    assert [run.state for run in done.steps] == [State.CANCELLED, State.SUCCEEDED]


async def test_a_job_that_was_stopped_before_it_began_touches_nothing() -> None:
    rig = Rig()
    job, body = rig.job()
    engine = await rig.submit((job, body))
    assert await rig.store.jobs.request_stop(job.id)
    report = await engine.drive(RunId("run1"))
    assert report.counts.cancelled == 1
    assert rig.fleet.machines == {}


async def test_a_stop_without_the_server_records_the_wish() -> None:
    rig = Rig(lambda _s, _p: Program(seconds=1000))
    job, body = rig.job(chain("a", "b"))
    engine = await rig.submit((job, body))
    await engine.drive(RunId("run1"), within=10)
    rig.fleet.lay_down("web-1")
    with pytest.raises(TransportError):
        await rig.engine().stop(job.id, alone=True)
    stored = await rig.store.jobs.get(job.id)
    assert stored is not None
    assert stored.stop_requested


async def test_an_unknown_step_or_job_is_named() -> None:
    rig = Rig(lambda _s, _p: Program(seconds=1000))
    id_, task = await running(rig)
    with pytest.raises(NotFoundError, match="step nope"):
        await rig.engine().stop(id_, step="nope", alone=False)
    with pytest.raises(RefusedError, match="it is pending"):
        await rig.engine().stop(id_, step="b", alone=False)
    with pytest.raises(NotFoundError):
        await rig.engine().stop(JobId("nothing"), alone=False)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_stop_that_meets_a_dispatch_is_seen_by_one_of_both() -> None:
    rig = Rig(lambda _s, _p: Program(seconds=1000))
    job, body = rig.job(chain("a", "b"))
    asked = False

    def stop_between(_server: str, what: str, _before: bool) -> None:
        nonlocal asked
        if what == "claim_target" and not asked:
            asked = True
            task = asyncio.get_running_loop().create_task(rig.store.jobs.request_stop(job.id))
            tasks.append(task)

    tasks: list[asyncio.Task[bool]] = []
    rig.fleet.disturb = stop_between
    (done,) = await rig.run((job, body))
    assert done.state is State.CANCELLED
    assert not rig.fleet.starts
    assert rig.marker() is None
    assert await rig.record() is None


async def test_a_wish_recorded_just_before_an_attempt_is_sent_keeps_it_from_being_sent() -> None:
    class Wishing(MemoryJobs):
        async def append(self, job: Job, events: Sequence[Event]) -> None:
            await super().append(job, events)
            if any(event.attempt and event.state is State.DISPATCHED for event in events):
                await self.request_stop(job.id)

    store = MemoryStore()
    store.jobs = Wishing()
    store.runs = MemoryRuns(store.jobs)
    rig = Rig(store=store)
    (job,) = await rig.run(rig.job(chain("a", "b")))
    assert job.state is State.CANCELLED
    assert job.steps[0].attempts[0].reason == "stopped before it was sent"
    assert not rig.fleet.starts
