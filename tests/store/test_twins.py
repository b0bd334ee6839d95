"""The same history on memory and on SQLite reads back the same, refusals included."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from controller.errors import ControllerError
from controller.model.job import State
from controller.store.memory import MemoryStore
from controller.store.ports import Store
from controller.store.sqlite import open_store
from tests.fakes.clocks import FakeClock
from tests.store.shelf import a_job, a_record, a_run, an_event, with_bodies

NUMBER = st.integers(1, 4)
STEP = st.one_of(
    st.tuples(st.just("add"), NUMBER, st.lists(NUMBER, max_size=3)),
    st.tuples(
        st.just("append"), NUMBER, st.sampled_from(State), st.lists(st.integers(1, 6), max_size=2)
    ),
    st.tuples(st.just("stop"), NUMBER),
    st.tuples(st.just("put"), NUMBER, st.text(max_size=5)),
    st.tuples(st.just("forget"), NUMBER),
    st.tuples(st.just("finish"), NUMBER, st.text(max_size=5)),
)


async def take(store: Store, step: tuple[object, ...]) -> object:
    """Take one step; what it answers or how it is refused is the result."""
    match step:
        case ("add", int(run), list(jobs)):
            rows = with_bodies(*(a_job(number, run=run) for number in jobs))
            return await refused(store.runs.add(a_run(run), rows))
        case ("append", int(job), State() as state, list(seqs)):
            one = a_job(job)
            found = await store.jobs.get(one.id)
            after = replace(found or one, state=state)
            return await refused(
                store.jobs.append(after, [an_event(one, seq, state) for seq in seqs])
            )
        case ("stop", int(job)):
            return await refused(store.jobs.request_stop(a_job(job).id))
        case ("put", int(number), str(text)):
            return await refused(store.records.put([a_record(server=f"s{number}", by=text)]))
        case ("forget", int(number)):
            return await refused(store.records.forget([("shop", f"s{number}")]))
        case ("finish", int(number), str(text)):
            return await refused(store.runs.finish(replace(a_run(number), title=text)))
        case _:
            raise AssertionError(step)


async def refused(what: object) -> object:
    try:
        return await what  # type: ignore[misc]
    except ControllerError as error:
        return type(error)


async def everything(store: Store) -> list[object]:
    jobs = await store.jobs.list(limit=100)
    return [
        await store.runs.list(),
        jobs,
        await store.jobs.open(),
        await store.jobs.find(""),
        [await store.jobs.events(job.id) for job in jobs],
        [await store.jobs.body(job.id) for job in jobs],
        await store.records.all(),
    ]


@settings(deadline=None, max_examples=40)
@given(history=st.lists(STEP, max_size=25))
def test_twins(tmp_path_factory: pytest.TempPathFactory, history: list[tuple[object, ...]]) -> None:
    folder: Path = tmp_path_factory.mktemp("twins") / ".ctl"

    async def go() -> None:
        memory, sqlite = MemoryStore(), open_store(folder, clock=FakeClock())
        for step in history:
            assert await take(memory, step) == await take(sqlite, step)
        assert await everything(memory) == await everything(sqlite)
        await sqlite.close()
        again = open_store(folder, clock=FakeClock())
        assert await everything(memory) == await everything(again)
        await again.close()

    asyncio.run(go())
