"""What only a table that many processes share can promise: takeover, fencing, and no lost add, whoever dies."""

import asyncio
import contextlib
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path

import psycopg
import pytest

from controller.clock import SystemClock
from controller.errors import StateError
from controller.store.postgres import open_store
from controller.workqueue.port import Claim
from controller.workqueue.postgres import PostgresQueue, add_in
from tests.fakes.postgres import Cluster
from tests.workqueue.workers import TABLES

LEASE = 1.0
OVERLAP = """
SELECT count(*) FROM runs_of a JOIN runs_of b ON a.key = b.key AND a.token < b.token
WHERE a.ended IS NOT NULL AND b.began < a.ended
"""


class Crew:
    """Worker processes."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.all: list[subprocess.Popen[bytes]] = []

    def start(self, *, work: float = 0.002, lease: float = LEASE) -> subprocess.Popen[bytes]:
        owner = f"w{len(self.all)}"
        worker = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.workqueue.workers",
                self.url,
                owner,
                str(lease),
                str(work),
            ],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        self.all.append(worker)
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"ready\n"
        return worker

    def end(self) -> None:
        for worker in self.all:
            worker.kill()
            worker.communicate()


@pytest.fixture
def crew(postgres: str) -> Iterator[Crew]:
    with psycopg.connect(postgres, autocommit=True) as session:
        session.execute(TABLES.encode())
    made = Crew(postgres)
    yield made
    made.end()


@pytest.fixture
async def queue(postgres: str) -> AsyncIterator[PostgresQueue]:
    """Adds only, as an API process does."""
    made = PostgresQueue(postgres, lease=LEASE)
    await made.start()
    yield made
    await made.close()


async def one(url: str, statement: str) -> object:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as session:
        cursor = await session.execute(statement.encode())
        row = await cursor.fetchone() if cursor.description else None
        return row[0] if row else None


async def until(url: str, statement: str, wanted: object, seconds: float = 20) -> None:
    """Ask until the answer is as wanted; while PostgreSQL is away there is none."""
    answer: object = None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while answer != wanted:
                await asyncio.sleep(0.05)
                with contextlib.suppress(psycopg.OperationalError):
                    answer = await one(url, statement)
    assert answer == wanted, statement


async def raise_and_add(queue: PostgresQueue, url: str, key: str) -> None:
    """Change what a key is about, then say so."""
    await one(
        url,
        f"INSERT INTO states VALUES ('{key}', 1, 0, 0) "  # noqa: S608  # our own names
        "ON CONFLICT (key) DO UPDATE SET number = states.number + 1",
    )
    await queue.add(key)


BEHIND = "SELECT count(*) FROM states WHERE read <> number"


@pytest.mark.real
@pytest.mark.parametrize("keys", [3, pytest.param(20, marks=pytest.mark.sweep)])
async def test_among_processes_no_key_runs_twice_at_once_and_no_add_is_lost(
    queue: PostgresQueue, crew: Crew, keys: int
) -> None:
    for _ in range(3):
        crew.start()

    async def adder() -> None:
        for _ in range(60):
            key = f"k{random.randrange(keys)}"  # noqa: S311  # any order will do
            await raise_and_add(queue, crew.url, key)

    await asyncio.gather(*(adder() for _ in range(4)))
    await until(crew.url, BEHIND, 0)
    await until(crew.url, "SELECT count(*) FROM wq WHERE owner IS NOT NULL OR due IS NOT NULL", 0)
    assert await one(crew.url, OVERLAP) == 0


@pytest.mark.real
@pytest.mark.parametrize("follow_up", [pytest.param(False, marks=pytest.mark.sweep), True])
async def test_the_keys_of_a_killed_worker_go_to_another(
    queue: PostgresQueue, crew: Crew, follow_up: bool
) -> None:
    first = crew.start(work=60)
    await raise_and_add(queue, crew.url, "k")
    await until(crew.url, "SELECT owner FROM runs_of", "w0")
    if follow_up:
        await raise_and_add(queue, crew.url, "k")
    first.send_signal(signal.SIGKILL)
    crew.start()
    await until(crew.url, BEHIND, 0, LEASE * 6)
    assert await one(crew.url, "SELECT count(*) FROM runs_of WHERE owner = 'w1'") in {1, 2}


@pytest.mark.sweep
@pytest.mark.real
async def test_a_worker_that_stood_still_changes_nothing_when_it_goes_on(
    queue: PostgresQueue, crew: Crew
) -> None:
    zombie = crew.start(work=0.3)
    await raise_and_add(queue, crew.url, "k")
    await until(crew.url, "SELECT count(*) FROM runs_of", 1)
    zombie.send_signal(signal.SIGSTOP)
    crew.start(work=2)
    await until(crew.url, "SELECT count(*) FROM runs_of", 2, LEASE * 6)
    zombie.send_signal(signal.SIGCONT)
    await raise_and_add(queue, crew.url, "k")  # would start at once if the zombie freed the key
    await asyncio.sleep(1)
    assert await one(crew.url, "SELECT count(*) FROM runs_of") == 2
    newer = "SELECT count(*) FROM states WHERE token > (SELECT min(token) FROM runs_of)"
    assert await one(crew.url, newer) == 0  # the second still works
    assert await one(crew.url, "SELECT count(*) FROM wq WHERE owner IS NOT NULL") == 1
    await until(crew.url, BEHIND, 0)


@pytest.mark.real
@pytest.mark.parametrize("mode", ["immediate", pytest.param("fast", marks=pytest.mark.sweep)])
async def test_workers_go_on_after_the_database_was_away(
    queue: PostgresQueue, crew: Crew, cluster: Cluster, mode: str
) -> None:
    for _ in range(2):
        crew.start(work=0.05, lease=3)
    for number in range(30):
        await raise_and_add(queue, crew.url, f"k{number}")
    await asyncio.to_thread(cluster.stop, mode)
    late = asyncio.create_task(queue.add("k5"))
    await asyncio.sleep(1)
    assert not late.done()
    await asyncio.to_thread(cluster.start)
    await late
    await raise_and_add(queue, crew.url, "k3")
    await until(crew.url, BEHIND, 0)
    await until(crew.url, "SELECT count(*) FROM wq WHERE owner IS NOT NULL", 0)
    assert await one(crew.url, OVERLAP) == 0
    assert all(worker.poll() is None for worker in crew.all)
    took = [await seconds_of(raise_and_add(queue, crew.url, "k7"), crew.url) for _ in range(4)]
    assert min(took) < 0.5  # the bell was mended: without it a look comes each second


async def seconds_of(add: Coroutine[object, object, None], url: str) -> float:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await add
    await until(url, BEHIND, 0)
    return loop.time() - begun


@pytest.mark.real
async def test_fresh_claims_are_never_taken_for_missing(postgres: str) -> None:
    """With renewals all the time, claims that come and go are neither lost nor left owned."""
    queue = PostgresQueue(postgres, lease=0.15, look=0.05)
    await queue.start()
    lost: list[str] = []

    async def worker() -> None:
        while True:
            claim = await queue.take()
            watching = asyncio.create_task(queue.lost(claim))
            await asyncio.sleep(random.uniform(0, 0.02))  # noqa: S311  # any moment will do
            if watching.done():
                lost.append(claim.key)
            watching.cancel()
            await queue.done(claim)

    workers = [asyncio.create_task(worker()) for _ in range(4)]
    for number in range(150):
        await queue.add(f"k{number % 9}")
    async with asyncio.timeout(10):
        while await queue.waiting():  # noqa: ASYNC110  # the queue is asked
            await asyncio.sleep(0.02)
    for one_of_them in workers:
        one_of_them.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    await queue.close()
    assert lost == []


@pytest.mark.parametrize("said", ["done", "back"])
async def test_what_is_said_of_a_claim_that_another_took_over_changes_nothing(
    postgres: str, said: str
) -> None:
    old, new = PostgresQueue(postgres), PostgresQueue(postgres)
    await old.start()
    await old.add("a")
    claim = await old.take()
    await one(postgres, "UPDATE wq SET owner = NULL, token = NULL, lease = NULL, due = now()")
    await new.start()
    newer = await new.take()
    assert newer.token > claim.token
    await (old.done(claim) if said == "done" else old.back(claim, after=0))
    (row,) = await new.waiting()
    assert (row.owned, row.due, row.fails) == (True, None, 0)
    await old.close()
    (row,) = await new.waiting()
    assert row.owned
    await new.close()


async def test_a_worker_that_goes_away_in_the_moment_it_gets_a_key_takes_it_not_along(
    queue: PostgresQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = queue._hand_out
    taking = asyncio.create_task(queue.take())

    def hand_out(claim: Claim) -> None:
        whole(claim)
        taking.cancel()

    monkeypatch.setattr(queue, "_hand_out", hand_out)
    await queue.add("a", priority=4)
    await asyncio.gather(taking, return_exceptions=True)
    assert taking.cancelled()
    monkeypatch.undo()
    again = await asyncio.wait_for(queue.take(), 2)
    assert (again.key, again.fails, again.priority) == ("a", 0, 4)


async def test_a_part_that_breaks_is_told_to_every_worker(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: object) -> None:
        await asyncio.sleep(0.05)
        raise LookupError("a bug")

    monkeypatch.setattr("controller.workqueue.keeping.Keeping.keep", broken)
    queue = PostgresQueue(postgres)
    await queue.start()
    for _ in range(2):
        with pytest.raises(LookupError, match="a bug"):
            await asyncio.wait_for(queue.take(), 2)
    await queue.close()


async def test_a_claim_is_held_for_longer_than_its_lease(postgres: str) -> None:
    one_of_two, other = (PostgresQueue(postgres, lease=1.0) for _ in "ab")
    await one_of_two.start()
    await other.start()
    await one_of_two.add("a")
    claim = await one_of_two.take()
    losing = asyncio.create_task(one_of_two.lost(claim))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2.5):
            await other.take()
    assert not losing.done()
    await one_of_two.close()  # gives it to the other at once
    await losing
    async with asyncio.timeout(5):
        again = await other.take()
    assert again.key == "a"
    await other.close()


async def test_a_worker_that_cannot_renew_hears_that_its_claims_are_lost(
    postgres: str, cluster: Cluster
) -> None:
    queue = PostgresQueue(postgres, lease=0.6)
    await queue.start()
    await queue.add("a")
    claim = await queue.take()
    cluster.stop()
    try:
        async with asyncio.timeout(2):
            await queue.lost(claim)
    finally:
        cluster.start()
    await queue.done(claim)  # too late, and without effect
    async with asyncio.timeout(5):
        again = await queue.take()
    assert again.token > claim.token
    assert again.fails == 1
    await queue.close()


async def test_an_add_in_a_transaction_waits_for_its_commit(postgres: str) -> None:
    queue = PostgresQueue(postgres, look=60.0)  # so that nothing but the bell wakes
    await queue.start()
    taker = asyncio.create_task(queue.take())
    with psycopg.connect(postgres) as session:
        add_in(session, "kept")
        await asyncio.sleep(0.2)
        assert not taker.done()
        session.commit()
        assert (await asyncio.wait_for(taker, 10)).key == "kept"
        add_in(session, "undone")
        session.rollback()
    assert "undone" not in {waiting.key for waiting in await queue.waiting()}
    await queue.close()


async def test_an_add_in_the_transaction_of_a_change_is_never_lost_to_a_run_that_saw_the_old(
    queue: PostgresQueue, postgres: str
) -> None:
    """The run that began before the commit ends after the add: the key must run once more."""
    await queue.add("a")
    claim = await queue.take()
    with psycopg.connect(postgres) as session:
        add_in(session, "a")
        ending = asyncio.create_task(queue.done(claim))
        await asyncio.sleep(0.1)
        session.commit()
    await ending
    assert (await asyncio.wait_for(queue.take(), 5)).key == "a"


async def test_a_key_is_added_with_what_a_store_writes(queue: PostgresQueue, postgres: str) -> None:
    store = await asyncio.to_thread(open_store, postgres, clock=SystemClock())
    await store._writer.write(
        lambda c: add_in(c.connection.driver_connection, "run/1", priority=5)  # type: ignore[arg-type]
    )
    assert (await asyncio.wait_for(queue.take(), 1)).priority == 5
    await store.close()


async def test_rows_that_nothing_waits_for_are_swept(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.workqueue.keeping.SWEPT", 0.0)
    queue = PostgresQueue(postgres, lease=0.3)
    await queue.start()
    await queue.add("later", after=60)
    for number in range(5):
        await queue.add(f"k{number}")
        await queue.done(await queue.take())
    await until(postgres, "SELECT count(*) FROM wq", 1)
    await queue.close()


async def test_without_its_table_the_queue_says_what_is_missing(empty_postgres: str) -> None:
    queue = PostgresQueue(empty_postgres)
    with pytest.raises(StateError, match='relation "wq" does not exist'):
        await queue.start()
    await queue.close()


@pytest.mark.sweep
async def test_connections_that_break_at_any_moment_lose_no_add(
    queue: PostgresQueue, crew: Crew, cluster: Cluster
) -> None:
    crew.start()
    for number in range(40):
        with contextlib.suppress(psycopg.OperationalError):
            await raise_and_add(queue, crew.url, f"k{number % 5}")
        if number % 10 == 5:
            await asyncio.to_thread(cluster.cut, crew.url)
    for number in range(5):
        await queue.add(f"k{number}")  # where the change was kept and the add was not
    await until(crew.url, BEHIND, 0)
