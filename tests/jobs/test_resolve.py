import pytest

from controller.errors import RefusedError
from controller.jobs.machine import Signal
from controller.model.ids import JobId, RunId
from controller.model.job import State
from tests.fakes.fleet import Program
from tests.jobs.rig import Rig, chain, digest


async def lost(rig: Rig) -> JobId:
    """Leave a job lost: its server went away while its first step ran."""
    job, body = rig.job(chain("a", "b"))
    engine = await rig.submit((job, body))
    await engine.drive(RunId("run1"), within=10)
    rig.fleet.lay_down("web-1")
    (found,) = (await rig.engine().settle()).jobs
    assert found.state is State.LOST
    return job.id


@pytest.mark.parametrize("back", [True, False])
async def test_a_person_says_that_it_succeeded(back: bool) -> None:
    rig = Rig(lambda _s, _p: Program(seconds=1000))
    id_ = await lost(rig)
    if back:
        rig.fleet.stand_up("web-1")
    job = await rig.engine().resolve(id_, signal=Signal.SUCCEED, reason="seen on the console")
    assert (job.state, job.reason) == (State.SUCCEEDED, "seen on the console")
    assert [run.state for run in job.steps] == [State.SUCCEEDED, State.SKIPPED]
    record = await rig.record()
    assert record is not None
    assert (record.applied, record.tried) == (digest("v1"), None)
    marker = rig.marker()
    assert marker is not None
    assert (marker.applied == digest("v1")) is back
    assert rig.activity.events()[-2:] == ["job-resolving", "job-resolved"]
    assert job == await rig.store.jobs.get(id_)


async def test_a_person_says_that_it_failed() -> None:
    rig = Rig(lambda _s, _p: Program(seconds=1000))
    job = await rig.engine().resolve(await lost(rig), signal=Signal.FAIL, reason="disk full")
    assert job.state is State.FAILED
    record = await rig.record()
    assert record is not None
    assert record.tried is not None
    assert record.tried.state is State.FAILED


async def test_only_what_is_lost_can_be_resolved() -> None:
    rig = Rig()
    (job,) = await rig.run(rig.job())
    with pytest.raises(RefusedError, match="it is succeeded, not lost"):
        await rig.engine().resolve(job.id, signal=Signal.FAIL, reason="no")
