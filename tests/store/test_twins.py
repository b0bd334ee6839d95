"""The same history on memory and in a database reads back the same, refusals included."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from controller.errors import ControllerError
from controller.model.job import State
from controller.model.observation import ServerSeen
from controller.model.standing import Approval, Ignore, Pin, Suspension
from controller.store.memory import MemoryStore
from controller.store.ports import Store
from controller.store.postgres import open_store as open_postgres
from controller.store.sqlite import open_store
from tests.fakes.clocks import START, FakeClock
from tests.fakes.postgres import Cluster
from tests.store.conftest import Opens
from tests.store.shelf import NOW, a_job, a_record, a_run, an_event, with_bodies
from tests.store.test_standings import FACTS

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
    st.tuples(st.just("wait"), NUMBER),
    st.tuples(st.just("see"), NUMBER, st.booleans()),
    st.tuples(st.just("decide"), NUMBER, st.sampled_from(FACTS)),
    st.tuples(st.just("lift"), NUMBER, st.sampled_from(FACTS)),
)


async def take(store: Store, step: tuple[object, ...]) -> object:
    """Take one step; what it answers or how it is refused is the result."""
    return await refused(work(store, step) or await know(store, step) or decide(store, step))


def work(store: Store, step: tuple[object, ...]) -> Awaitable[object] | None:
    """Take a step of runs."""
    match step:
        case ("add", int(run), list(jobs)):
            rows = with_bodies(*(a_job(number, run=run) for number in jobs))
            return store.runs.add(a_run(run), rows)
        case ("stop", int(job)):
            return store.jobs.request_stop(a_job(job).id)
        case ("finish", int(number), str(text)):
            return store.runs.finish(replace(a_run(number), title=text))
        case _:
            return None


async def know(store: Store, step: tuple[object, ...]) -> Awaitable[object] | None:
    """Take a step of what is known."""
    match step:
        case ("append", int(job), State() as state, list(seqs)):
            one = a_job(job)
            found = await store.jobs.get(one.id)
            after = replace(found or one, state=state)
            return store.jobs.append(after, [an_event(one, seq, state) for seq in seqs])
        case ("put", int(number), str(text)):
            return store.records.put([a_record(server=f"s{number}", by=text)])
        case ("forget", int(number)):
            return store.records.forget([("shop", f"s{number}")])
        case ("see", int(number), bool(reached)):
            seen = ServerSeen(server=f"s{number}", at=NOW, reached=reached)
            return store.observations.put_servers([seen])
        case _:
            return None


def decide(store: Store, step: tuple[object, ...]) -> Awaitable[object]:
    """Take a step of what people decide, or only let time pass."""
    match step:
        case ("decide", int(number), Suspension() | Approval() | Pin() | Ignore() as fact):
            return store.standings.put(replace(fact, target=f"t{number}"))
        case ("lift", int(number), Suspension() | Approval() | Pin() | Ignore() as fact):
            return store.standings.lift(replace(fact, target=f"t{number}"))
        case ("wait", int()):
            return asyncio.sleep(0)
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
        await store.runs.serial(),
        await store.jobs.past("shop"),
        await store.standings.all(),
        [await store.records.all(as_of=START + timedelta(minutes=n)) for n in range(12)],
        [await store.observations.servers(as_of=START + timedelta(minutes=n)) for n in range(12)],
    ]


@settings(deadline=None, max_examples=40)
@given(history=st.lists(STEP, max_size=25))
def test_twins(tmp_path_factory: pytest.TempPathFactory, history: list[tuple[object, ...]]) -> None:
    folder: Path = tmp_path_factory.mktemp("twins") / ".ctl"
    asyncio.run(compare(history, lambda clock: open_store(folder, clock=clock)))


@pytest.mark.sweep
@settings(deadline=None, max_examples=40)
@given(history=st.lists(STEP, max_size=25))
def test_twins_on_postgres(cluster: Cluster, history: list[tuple[object, ...]]) -> None:
    url = cluster.fresh()
    asyncio.run(compare(history, lambda clock: open_postgres(url, clock=clock)))
    cluster.take_back(url)


async def compare(history: list[tuple[object, ...]], opens: Opens) -> None:
    """Take the same steps on memory and on a database, which must then know the same, also when opened anew."""
    clock = FakeClock()
    memory, other = MemoryStore(clock), opens(clock)
    for step in history:
        if step[0] == "wait":
            clock.set(clock.now() + timedelta(minutes=1))
        assert await take(memory, step) == await take(other, step)
    assert await everything(memory) == await everything(other)
    await other.close()
    again = opens(FakeClock())
    assert await everything(memory) == await everything(again)
    await again.close()
