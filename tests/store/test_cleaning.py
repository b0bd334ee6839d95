"""Deleting by age, held against every adapter: bounded, the oldest first, and never what is still needed."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from controller.model.job import State
from controller.model.notice import Delivery, Letter
from controller.model.serving import Due
from controller.store.ports import Store
from tests.fakes.clocks import START, FakeClock
from tests.store.conftest import Opens
from tests.store.shelf import NOW, a_job, a_record, a_run, an_event, seen_at, with_bodies

HOUR = timedelta(hours=1)
PAIR = ("shop", "web-01")
MANY = 1_000


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def store(backend: Opens, clock: FakeClock) -> AsyncIterator[Store]:
    made = backend(clock)
    yield made
    await made.close()


async def ran(store: Store, number: int, state: State = State.SUCCEEDED) -> None:
    """Record a run with one job, which ended `number` hours later unless it goes on."""
    job, run = a_job(number, run=number), a_run(number)
    await store.runs.add(run, with_bodies(job))
    await store.jobs.append(replace(job, state=state), [an_event(job, 1, state)])
    if state is State.SUCCEEDED:
        await store.runs.finish(replace(run, finished_at=NOW + number * HOUR))


async def test_old_runs_are_those_that_ended_before_oldest_first(store: Store) -> None:
    for number in range(1, 6):
        await ran(store, number)
    old = store.cleaning.old_runs
    ids = [a_run(number).id for number in range(1, 6)]
    assert await old(NOW + 3 * HOUR, keep=MANY, limit=MANY) == tuple(ids[:2])
    assert await old(NOW + 3 * HOUR, keep=MANY, limit=1) == tuple(ids[:1])
    assert await old(NOW, keep=MANY, limit=MANY) == ()
    assert await old(NOW, keep=2, limit=MANY) == tuple(ids[:3])


async def test_what_goes_on_and_the_newest_are_never_old(store: Store) -> None:
    await ran(store, 1, State.RUNNING)
    await ran(store, 2, State.LOST)
    await ran(store, 3)
    await ran(store, 4)
    later = NOW + MANY * HOUR
    assert await store.cleaning.old_runs(later, keep=1, limit=MANY) == (a_run(3).id,)
    ids = [a_run(number).id for number in range(1, 5)]
    assert await store.cleaning.drop_runs(ids) == 1
    assert {run.id for run in await store.runs.list()} == {ids[0], ids[1], ids[3]}
    assert await store.runs.serial() == 4


async def test_a_run_goes_with_its_jobs_and_what_they_share_stays(store: Store) -> None:
    for number in (1, 2):
        await ran(store, number)
    assert await store.cleaning.drop_runs([a_run(1).id, a_run(9).id]) == 1
    assert await store.jobs.ids() == {a_job(2).id}
    assert await store.jobs.get(a_job(1).id) is None
    assert await store.runs.get(a_run(1).id) is None
    assert (await store.jobs.body(a_job(2).id)).work.task == "deploy"
    assert await store.cleaning.drop_runs([]) == 0


async def test_what_was_in_force_at_a_moment_that_may_be_asked_for_stays(
    store: Store, clock: FakeClock
) -> None:
    for hour in range(5):
        clock.set(START + hour * HOUR)
        await store.records.put([a_record(by=f"person-{hour}")])
    assert await store.cleaning.drop_history(START + 2.5 * HOUR, limit=MANY) == 2
    then = await store.records.all(as_of=START + 2.5 * HOUR)
    assert then[PAIR].by == "person-2"
    assert await store.records.all(as_of=START + HOUR) == {}
    assert await store.cleaning.drop_history(START + MANY * HOUR, limit=MANY) == 2
    assert (await store.records.all(as_of=START + MANY * HOUR))[PAIR].by == "person-4"
    assert (await store.records.all())[PAIR].by == "person-4"


async def test_of_what_was_forgotten_nothing_stays(store: Store, clock: FakeClock) -> None:
    await store.records.put([a_record()])
    await store.observations.put_servers([seen_at(0)])
    clock.set(START + HOUR)
    await store.records.forget([PAIR])
    assert await store.cleaning.drop_history(START + 2 * HOUR, limit=1) == 1
    assert await store.cleaning.drop_history(START + 2 * HOUR, limit=MANY) == 1
    assert await store.cleaning.drop_history(START + 2 * HOUR, limit=MANY) == 0
    assert await store.records.all(as_of=START + 2 * HOUR) == {}
    assert list(await store.observations.servers(as_of=START + 2 * HOUR)) == ["web-01"]


async def test_letters_go_when_they_are_settled_and_old(store: Store) -> None:
    letters = [
        Letter(
            id=f"letter-{number}",
            receiver="notifier/ops",
            created_at=NOW + number * HOUR,
            due=NOW,
            state=state,
        )
        for number, state in enumerate(
            [Delivery.WAITING, Delivery.SENT, Delivery.DEAD, Delivery.MERGED, Delivery.SENT]
        )
    ]
    await store.outbox.post(letters, troubles={})
    assert await store.cleaning.drop_letters(NOW + 4 * HOUR, limit=2) == 2
    assert await store.cleaning.drop_letters(NOW + 4 * HOUR, limit=2) == 1
    assert [one.id for one in await store.outbox.list()] == ["letter-4", "letter-0"]


async def test_the_latest_due_time_of_a_target_stays_however_old_it_is(store: Store) -> None:
    for target in ("backup", "report"):
        for hour in range(3):
            due = NOW + hour * HOUR
            await store.dues.claim(Due(target=target, due=due, at=due, outcome="fired"))
    assert await store.cleaning.drop_dues(NOW + HOUR, limit=MANY) == 2
    assert await store.cleaning.drop_dues(NOW + MANY * HOUR, limit=1) == 1
    assert await store.cleaning.drop_dues(NOW + MANY * HOUR, limit=MANY) == 1
    for target in ("backup", "report"):
        assert [one.due for one in await store.dues.list(target)] == [NOW + 2 * HOUR]


async def test_one_observation_is_read_alone(store: Store) -> None:
    await store.observations.put_servers([seen_at(0), seen_at(1, "db-1")])
    assert await store.observations.server("db-1") == seen_at(1, "db-1")
    assert await store.observations.server("never") is None
