import asyncio
from dataclasses import replace

from controller.jobs.board import Elsewhere
from controller.jobs.schedule import RECHECK
from controller.jobs.traffic import Traffic
from controller.model.ids import RunId
from controller.model.job import State
from tests.fakes.fleet import Program
from tests.jobs.rig import Rig

MINE, THEIRS = RunId("run1"), RunId("run2")


async def test_a_run_sees_where_others_are_and_not_itself() -> None:
    rig = Rig()
    traffic = Traffic(rig.store, rig.clock)
    traffic.enter(MINE, "web-1")
    traffic.enter(THEIRS, "web-2")
    traffic.enter(THEIRS, "web-2")
    assert traffic.around(MINE) == Elsewhere(busy={"web-2": 2}, down=frozenset())
    traffic.leave(THEIRS, "web-2")
    assert traffic.around(MINE).busy == {"web-2": 1}
    traffic.leave(THEIRS, "web-2")
    assert traffic.around(MINE).busy == {}


async def test_the_bell_rings_when_another_run_leaves_a_server() -> None:
    rig = Rig()
    traffic, bell, other = Traffic(rig.store, rig.clock), asyncio.Event(), asyncio.Event()
    traffic.join(MINE, bell)
    traffic.join(THEIRS, other)
    traffic.enter(THEIRS, "web-2")
    assert not bell.is_set()
    traffic.leave(THEIRS, "web-2")
    assert bell.is_set()
    assert not other.is_set()


async def test_what_other_processes_drive_is_read_from_the_store_now_and_then() -> None:
    rig = Rig()
    traffic = Traffic(rig.store, rig.clock)
    await traffic.refresh()
    jobs = [
        (replace(job, state=state), body)
        for number, state in enumerate((State.RUNNING, State.LOST, State.PENDING))
        for job, body in [rig.job(server=f"web-{number}")]
    ]
    await rig.submit(*jobs, run="run2")
    await traffic.refresh()
    assert traffic.around(MINE).busy == {}
    await rig.clock.sleep(RECHECK)
    await traffic.refresh()
    assert traffic.around(MINE) == Elsewhere(busy={"web-0": 1}, down=frozenset({"web-1"}))


async def test_what_is_driven_here_is_not_counted_twice() -> None:
    rig = Rig()
    traffic = Traffic(rig.store, rig.clock)
    traffic.join(THEIRS, asyncio.Event())
    traffic.enter(THEIRS, "web-1")
    job, body = rig.job(server="web-1")
    await rig.submit((replace(job, state=State.RUNNING), body), run="run2")
    await traffic.refresh()
    assert traffic.around(MINE).busy == {"web-1": 1}


async def test_runs_that_are_equally_urgent_have_their_turns_on_a_server_one_after_the_other() -> (
    None
):
    rig = Rig(lambda _server, _spec: Program(seconds=3.0))
    engine = rig.engine()
    runs = [f"run{number}" for number in range(4)]
    for run in runs:
        await rig.submit(rig.job(target=None), run=run, engine=engine)
    async with asyncio.timeout(10):
        reports = await asyncio.gather(*(engine.drive(RunId(run)) for run in runs))
    assert [[str(job.state) for job in report.jobs] for report in reports] == [["succeeded"]] * 4
    assert rig.fleet.machine("web-1").busiest == 1
