"""The engine on this very machine: real processes, a real database, real logs and files."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from controller.clock import SystemClock
from controller.jobs.marker import decode_marker
from controller.journal.artifacts import ArtifactFiles
from controller.journal.log import Log
from controller.model.job import State
from controller.model.task import Retry
from controller.model.work import StepWork
from controller.store.sqlite import open_store
from tests.jobs.place import SERVER, Place

pytestmark = pytest.mark.real


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    (tmp_path / "home").mkdir()
    store = open_store(tmp_path / "state", clock=SystemClock())
    made = Place(tmp_path, store, {"db": "hunter2secret"})
    yield made
    await store.close()
    made.clean_up()


async def test_a_job_does_its_work_here(place: Place) -> None:
    engine, dialer = place.engine()
    job = await place.submit(
        engine,
        StepWork(
            name="make",
            text='echo "version=1.2" >"$CTL_OUTPUT"; echo "log of $DB" >"$CTL_ARTIFACTS/log"; echo "pw $DB"',
        ),
        StepWork(
            name="try",
            text='test -e again || { touch again; echo no; exit 7; }; echo "$CTL_OUT_MAKE_VERSION"',
            needs=("make",),
            retry=Retry(limit=1),
        ),
        secrets={"DB": "db"},
    )
    report = await engine.drive(job.run)
    await dialer.close()
    (done,) = report.jobs
    assert done.state is State.SUCCEEDED, done
    assert await place.text(done, "make") == b"pw *************\n"
    assert await place.text(done, "try", 1) == b"no\n"
    assert await place.text(done, "try", 2) == b"1.2\n"
    assert [attempt.exit_code for attempt in done.steps[1].attempts] == [7, 0]
    marker = decode_marker(place.marker(), target="shop", server="here")
    assert marker.applied == done.digest
    record = (await place.store.records.all())["shop", "here"]
    assert record == replace(marker, connection=SERVER)
    assert await ArtifactFiles(place.path / "state").list(done.id) == {"artifacts/log": 21}
    log = Log(place.path / "state", "activity", clock=SystemClock())
    assert log.verify() == ()
    assert "hunter2secret" not in "".join(map(str, log.tail(100)))


async def test_work_survives_its_controller_and_is_finished_by_the_next(place: Place) -> None:
    engine, dialer = place.engine()
    job = await place.submit(
        engine,
        StepWork(name="slow", text="echo begin; sleep 2; echo x >>ran; echo end"),
        StepWork(name="next", text="echo y >>ran", needs=("slow",)),
    )
    report = await engine.drive(job.run, within=1.0)
    await dialer.close()
    assert report.waiting
    assert report.counts.open == 1
    engine, dialer = place.engine()
    (done,) = (await engine.settle()).jobs
    await dialer.close()
    assert done.state is State.SUCCEEDED, done
    assert (place.home / "ran").read_text() == "x\ny\n"
    assert await place.text(done, "slow") == b"begin\nend\n"
    assert [len(run.attempts) for run in done.steps] == [1, 1]


async def test_a_stop_reaches_the_processes(place: Place) -> None:
    engine, dialer = place.engine()
    job = await place.submit(engine, StepWork(name="slow", text="sleep 300 & sleep 300"))
    driving = asyncio.create_task(engine.drive(job.run))
    for _ in range(200):
        await asyncio.sleep(0.05)
        seen = await place.store.jobs.get(job.id)
        if seen is not None and seen.steps[0].state is State.RUNNING:
            break
    await engine.stop(job.id, grace=1.0, alone=False)
    (done,) = (await driving).jobs
    await dialer.close()
    assert done.state is State.CANCELLED, done


async def test_a_time_out_is_kept_here_too(place: Place) -> None:
    engine, dialer = place.engine()
    job = await place.submit(engine, StepWork(name="slow", text="sleep 300", timeout=1.0))
    (done,) = (await engine.drive(job.run)).jobs
    await dialer.close()
    assert done.state is State.TIMED_OUT, done
