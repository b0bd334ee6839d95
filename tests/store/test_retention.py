"""History has an end, but nothing that is still going on is ever taken."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select

from controller.model.job import State
from controller.store import retention
from controller.store.shelves import SqlStore
from controller.store.sqlite import open_store
from controller.store.tables import BODIES, EVENTS, JOBS, RUNS, UNDOS, WORKS
from tests.fakes.clocks import FakeClock
from tests.store.shelf import WORK, a_body, a_job, a_run, an_event


async def record(store: SqlStore, number: int, state: State) -> bool:
    """Record a run with one job, whose work is its own, that stands at a state; say whether old runs went for it."""
    job = a_job(number, run=number)
    body = replace(
        a_body(job),
        work=replace(WORK, workdir=f"/srv/{number}"),
        undo=replace(WORK, workdir=f"/srv/{number}", task="undo"),
    )
    dropped = await store.runs.add(a_run(number), [(job, body)])
    await store.jobs.append(replace(job, state=state), [an_event(job, 1, state)])
    return dropped


def counts(connection: Connection) -> list[int]:
    tables = (RUNS, JOBS, BODIES, EVENTS, UNDOS, WORKS)
    return [connection.execute(select(func.count()).select_from(t)).scalar_one() for t in tables]


@pytest.mark.parametrize("kept", ["KEPT_JOBS", "KEPT_RUNS"])
async def test_the_oldest_settled_runs_go_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: str
) -> None:
    monkeypatch.setattr(retention, kept, 3)
    store = open_store(tmp_path / ".ctl", clock=FakeClock())
    await record(store, 1, State.RUNNING)
    await record(store, 2, State.LOST)
    dropped = [await record(store, number, State.SUCCEEDED) for number in range(3, 10)]
    assert dropped == [False] * 3 + [True] * 4
    assert await store.jobs.ids() == {a_job(number).id for number in (1, 2, 7, 8, 9)}
    left = {run.id for run in await store.runs.list()}
    assert left == {a_run(number).id for number in (1, 2, 7, 8, 9)}
    assert [job.id for job in await store.jobs.open()] == [a_job(1).id, a_job(2).id]
    assert await store._reader.read(counts) == [5, 5, 5, 5, 5, 10]
    assert await store.runs.serial() == 9
    await store.close()
