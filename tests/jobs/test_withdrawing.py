"""Withdrawing jobs, and who is next on a server among several runs."""

import asyncio
from collections.abc import Sequence

from controller.jobs.engine import Engine
from controller.jobs.reasons import STOPPED
from controller.model.ids import RunId
from controller.model.job import Job, JobBody, Run, State
from controller.model.rollout import Order
from controller.transport.port import AttemptSpec
from tests.fakes.fleet import Program
from tests.jobs.rig import Rig


async def recorded(
    rig: Rig, engine: Engine, jobs: Sequence[tuple[Job, JobBody]], run: str = "run1", **more: Order
) -> list[Job]:
    made = Run(id=RunId(run), actor="t", created_at=rig.clock.now(), orders=more)
    await engine.submit(made, jobs)
    return [job for job, _ in jobs]


async def started(rig: Rig) -> None:
    """Wait until something runs."""
    for _ in range(10_000):
        if rig.fleet.starts:
            return
        await asyncio.sleep(0)
    raise AssertionError("nothing was started")


async def test_a_job_that_waits_in_a_run_is_skipped_and_the_others_go_on() -> None:
    rig = Rig(lambda _s, _p: Program(seconds=5))
    engine = rig.engine()
    jobs = [rig.job(server="web-1", target=target) for target in ("a", "b", "c")]
    await recorded(rig, engine, jobs)
    driving = asyncio.create_task(engine.drive(RunId("run1")))
    await started(rig)
    await engine.withdraw({jobs[1][0].id: "superseded by abc", jobs[2][0].id: STOPPED})
    report = await driving
    ends = {job.target: (job.state, job.reason) for job in report.jobs}
    assert ends["a"][0] is State.SUCCEEDED
    assert ends["b"] == (State.SKIPPED, "superseded by abc")
    assert ends["c"] == (State.CANCELLED, STOPPED)
    assert sum(rig.fleet.starts.values()) == 1


async def test_a_job_of_a_run_that_nobody_drives_is_skipped_at_once_and_its_run_is_over() -> None:
    rig = Rig()
    engine = rig.engine()
    (job,) = await recorded(rig, engine, [rig.job()])
    await engine.withdraw({job.id: "superseded by abc"})
    stored = await rig.store.jobs.get(job.id)
    assert stored is not None
    assert stored.state is State.SKIPPED
    run = await rig.store.runs.get(RunId("run1"))
    assert run is not None
    assert run.finished_at is not None


async def test_what_has_begun_is_never_withdrawn() -> None:
    rig = Rig(lambda _s, _p: Program(seconds=5))
    engine = rig.engine()
    (job,) = await recorded(rig, engine, [rig.job()])
    driving = asyncio.create_task(engine.drive(RunId("run1")))
    await started(rig)
    await engine.withdraw({job.id: "superseded by abc"})
    assert [one.state for one in (await driving).jobs] == [State.SUCCEEDED]
    await engine.withdraw({job.id: "superseded by abc"})
    stored = await rig.store.jobs.get(job.id)
    assert stored is not None
    assert stored.state is State.SUCCEEDED


async def test_a_job_on_its_way_to_its_server_does_not_begin_there() -> None:
    rig = Rig()
    engine = rig.engine()
    (job,) = await recorded(rig, engine, [rig.job()])
    asked: list[asyncio.Task[None]] = []

    def disturb(_server: str, what: str, before: bool) -> None:
        if what == "open" and before:
            asked.append(asyncio.ensure_future(engine.withdraw({job.id: "superseded by abc"})))

    rig.fleet.disturb = disturb
    slow = rig.fleet.open

    async def late(server: object) -> object:
        session = await slow(server)  # type: ignore[arg-type]
        await asyncio.gather(*asked)
        return session

    rig.fleet.open = late  # type: ignore[method-assign,assignment]
    report = await engine.drive(RunId("run1"))
    assert [(one.state, one.reason) for one in report.jobs] == [
        (State.SKIPPED, "superseded by abc")
    ]
    assert not rig.fleet.starts


async def test_of_several_runs_that_wait_for_a_server_the_urgent_one_is_next() -> None:
    rig = Rig(lambda _s, _p: Program(seconds=5))
    engine = rig.engine()
    begun: list[str] = []
    names = {"first": 0, "idle": 1, "middle": 5, "urgent": 9}
    jobs = {}
    for name, priority in names.items():
        made = rig.job(server="web-1", target=name, run=name)
        await recorded(rig, engine, [made], run=name, **{name: Order(priority=priority)})
        jobs[made[0].id] = name

    def behave(_server: str, spec: AttemptSpec) -> Program:
        begun.append(jobs[spec.job])
        return Program(seconds=5)

    rig.fleet.behaviour = behave
    driving = [asyncio.create_task(engine.drive(RunId("first")))]
    await started(rig)
    driving += [asyncio.create_task(engine.drive(RunId(name))) for name in list(names)[1:]]
    await asyncio.gather(*driving)
    assert begun == ["first", "urgent", "middle", "idle"]


async def test_a_run_that_no_longer_wants_a_server_holds_nobody_up() -> None:
    rig = Rig(lambda _s, _p: Program(seconds=5))
    engine = rig.engine()
    runs = {}
    for name, priority in {"first": 0, "idle": 1, "urgent": 9}.items():
        made = rig.job(server="web-1", target=name, run=name)
        (runs[name],) = await recorded(
            rig, engine, [made], run=name, **{name: Order(priority=priority)}
        )
    driving = [asyncio.create_task(engine.drive(RunId("first")))]
    await started(rig)
    driving += [asyncio.create_task(engine.drive(RunId(name))) for name in ("idle", "urgent")]
    for _ in range(20):
        await asyncio.sleep(0)
    await engine.withdraw({runs["urgent"].id: STOPPED})
    ends = [(await each).jobs[0] for each in driving]
    assert [job.state for job in ends] == [State.SUCCEEDED, State.SUCCEEDED, State.CANCELLED]


async def test_a_lost_job_is_taken_up_again_when_its_run_is_driven_again() -> None:
    rig = Rig(lambda _s, _p: Program(seconds=2000))
    engine = rig.engine()
    (job,) = await recorded(rig, engine, [rig.job()])
    driving = asyncio.create_task(engine.drive(RunId("run1")))
    await started(rig)
    rig.fleet.lay_down("web-1")
    rig.fleet.cut("web-1")
    assert [one.state for one in (await driving).jobs] == [State.LOST]
    rig.fleet.stand_up("web-1")
    report = await engine.drive(RunId("run1"))
    assert [one.state for one in report.jobs] == [State.SUCCEEDED]
    assert sum(rig.fleet.starts.values()) == 1
    assert report.jobs[0].id == job.id
