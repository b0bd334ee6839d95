"""What only PostgreSQL can promise: durability through crashes and lost answers, one writer over processes, clear refusals."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from controller.clock import SystemClock
from controller.errors import Disposition, StateAwayError, StateError, UsageError
from controller.model.job import State
from controller.store import postgres_connection, postgres_database, reader
from controller.store.migrations.runner import migrate
from controller.store.postgres import make_tables, open_store
from controller.store.postgres_connection import making_engine, name_of, writing_engine
from controller.store.postgres_database import PostgresDatabase
from controller.store.rows import encode
from controller.store.schema import HEAD
from controller.store.shelves import SqlStore
from controller.store.tables import METADATA
from tests.fakes.clocks import FakeClock
from tests.fakes.postgres import Cluster, name_of as database_name
from tests.store.shelf import a_job, a_run, an_event, with_bodies

OF_THE_ENGINE = {"wq", "writers"}
WRITER = """
import asyncio, sys
from dataclasses import replace
from controller.clock import SystemClock
from controller.model.job import State
from controller.store.postgres import open_store
from tests.store.shelf import a_job, a_run, an_event, with_bodies

async def main():
    store = open_store(sys.argv[1], clock=SystemClock())
    first = int(sys.argv[2])
    for number in range(first, first + int(sys.argv[3])):
        job = a_job(number, run=number)
        await store.runs.add(a_run(number), with_bodies(job))
        await store.jobs.append(replace(job, state=State.RUNNING), [an_event(job, 1)])
        print(number, flush=True)
    await store.close()

asyncio.run(main())
"""


def start_writer(url: str, first: int, count: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, url, str(first), str(count)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )


@pytest.fixture
async def store(postgres: str) -> AsyncIterator[SqlStore]:
    made = open_store(postgres, clock=FakeClock())
    yield made
    await made.close()


def database_of(store: SqlStore) -> PostgresDatabase:
    database = store._writer._database
    assert isinstance(database, PostgresDatabase)
    return database


@pytest.mark.real
async def test_what_has_returned_survives_a_kill(postgres: str) -> None:
    writer = start_writer(postgres, 1, 100_000)
    assert writer.stdout is not None
    try:
        told = [int(await asyncio.to_thread(writer.stdout.readline)) for _ in range(30)]
    finally:
        writer.send_signal(signal.SIGKILL)
        rest, _ = writer.communicate()
    told += [int(line) for line in rest.splitlines(keepends=True) if line.endswith(b"\n")]
    store = open_store(postgres, clock=FakeClock())
    jobs = {job.id: job for job in await store.jobs.list(limit=200_000)}
    for number in told:
        assert jobs[a_job(number).id].state is State.RUNNING
        assert len(await store.jobs.events(a_job(number).id)) == 1
    assert len(jobs) - len(told) in {0, 1}  # one more may have been under way
    await store.close()


@pytest.mark.sweep
@pytest.mark.real
async def test_processes_write_in_turn_while_others_read(store: SqlStore, postgres: str) -> None:
    writers = [start_writer(postgres, first, 30) for first in (1, 1001)]
    seen = 0
    while any(writer.poll() is None for writer in writers):
        jobs = await store.jobs.list(limit=1000)
        assert len(jobs) >= seen
        seen = len(jobs)
        for job in jobs[:3]:
            assert (await store.jobs.body(job.id)).job == job.id
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    assert len(await store.jobs.list(limit=1000)) == 60
    assert await store.runs.serial() == 60


@pytest.mark.sweep
@pytest.mark.real
async def test_writes_and_reads_go_on_through_a_crash_of_the_database(
    store: SqlStore, cluster: Cluster
) -> None:
    going = True

    async def read() -> None:
        while going:
            await store.runs.list(limit=1)

    reading = asyncio.create_task(read())
    adding = [asyncio.create_task(store.runs.add(a_run(number), [])) for number in range(300)]
    await asyncio.sleep(0.01)
    await asyncio.to_thread(cluster.stop, "immediate")
    adding += [asyncio.create_task(store.runs.add(a_run(number), [])) for number in range(300, 400)]
    await asyncio.to_thread(cluster.start)
    await asyncio.gather(*adding)
    going = False
    await reading
    assert {run.id for run in await store.runs.list(limit=1000)} == {
        a_run(n).id for n in range(400)
    }
    assert await store.runs.serial() == 400


@pytest.mark.real
async def test_connections_that_break_at_any_moment_lose_and_double_nothing(
    store: SqlStore, cluster: Cluster, postgres: str
) -> None:
    adding = []
    for number in range(150):
        adding.append(asyncio.create_task(store.runs.add(a_run(number), [])))
        await asyncio.sleep(0.002)
        if number % 15 == 7:
            await asyncio.to_thread(cluster.cut, postgres)
    await asyncio.gather(*adding)  # a second try of a kept one would say: recorded already
    assert await store.runs.serial() == 150
    assert len(await store.runs.list(limit=1000)) == 150


@pytest.mark.real
async def test_a_writer_that_stands_still_gives_way_and_is_done_again(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_connection, "STILL", 200)
    still, other = PostgresDatabase(postgres), PostgresDatabase(postgres)
    still.open_writer()
    other.open_writer()
    told: list[str] = []

    def stand(connection: Connection) -> None:
        told.append("stands")
        if told == ["stands"]:
            time.sleep(2.0)  # as if the process had been stopped
        connection.exec_driver_sql("INSERT INTO marks (name, value) VALUES ('still', 'x')")
        told.append("stood")

    standing = asyncio.create_task(asyncio.to_thread(still.transact, stand))
    await asyncio.sleep(0.2)
    await asyncio.to_thread(other.transact, lambda _: told.append("went on"))
    assert told == ["stands", "went on"]
    await standing
    assert told == ["stands", "went on", "stands", "stood"]
    still.close_writer()
    other.close_writer()


async def test_a_commit_whose_answer_is_lost_is_not_done_twice(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = database_of(store)
    whole: Callable[[Callable[[Connection], None]], None] = database._once
    lost: list[bool] = []

    def once(do: Callable[[Connection], None]) -> None:
        whole(do)
        if not lost:
            lost.append(True)
            connection = database._writer
            assert connection is not None
            plain = connection.connection.driver_connection
            assert isinstance(plain, psycopg.Connection)
            plain.close()
            connection.exec_driver_sql("SELECT 1")

    monkeypatch.setattr(database, "_once", once)
    await store.runs.add(a_run(1), [])
    assert lost
    assert await store.runs.list() == (a_run(1),)
    await store.runs.add(a_run(2), [])
    assert await store.runs.serial() == 2


@pytest.mark.real
async def test_a_database_that_stays_away_is_told_and_may_come_back(
    store: SqlStore, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_database, "PAUSES", (0.01,))
    monkeypatch.setattr(reader, "PAUSES", (0.01,))
    await store.runs.add(a_run(1), [])
    await asyncio.to_thread(cluster.stop)
    try:
        with pytest.raises(StateAwayError) as told:
            await store.runs.add(a_run(2), [])
        assert told.value.disposition is Disposition.RETRY
        with pytest.raises(StateAwayError):
            await store.runs.list()
    finally:
        await asyncio.to_thread(cluster.start)
    await store.runs.add(a_run(3), [])
    assert [run.id for run in await store.runs.list()] == [a_run(3).id, a_run(1).id]


async def test_a_write_that_breaks_reaches_its_own_caller_only(store: SqlStore) -> None:
    def broken(connection: Connection) -> None:
        connection.exec_driver_sql("INSERT INTO runs (position, id, data) VALUES (9, 'half', '')")
        raise LookupError("a bug")

    def wrong(connection: Connection) -> None:
        connection.exec_driver_sql("INSERT INTO nothing VALUES (1)")

    results = await asyncio.gather(
        store.runs.add(a_run(1), []),
        store._writer.write(broken),
        store._writer.write(wrong),
        store.runs.add(a_run(2), []),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [bool, LookupError, StateError, bool]
    assert len(await store.runs.list()) == 2


async def test_the_storage_rules_are_in_force(store: SqlStore) -> None:
    def rules(connection: Connection) -> list[object]:
        names = ("synchronous_commit", "transaction_isolation", "lock_timeout", "TimeZone")
        return [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in names]

    assert await store._writer.write(rules) == ["on", "read committed", "30s", "UTC"]
    with pytest.raises(StateError, match="read-only"):
        await store._reader.read(lambda c: c.exec_driver_sql("DELETE FROM runs"))


async def test_migrations_make_what_the_tables_say(empty_postgres: str) -> None:
    make_tables(empty_postgres)
    with writing_engine(empty_postgres).connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "include_name": lambda name, kind, _: (
                    not (kind == "table" and name in OF_THE_ENGINE)
                ),
            },
        )
        assert compare_metadata(context, METADATA) == []
        texts = connection.exec_driver_sql(
            "SELECT DISTINCT collation_name FROM information_schema.columns "
            "WHERE table_schema = 'public' AND data_type = 'text'"
        )
        assert texts.scalars().all() == ["C"]


@pytest.mark.real
async def test_of_several_first_starts_one_makes_the_tables(empty_postgres: str) -> None:
    opens = (asyncio.to_thread(open_store, empty_postgres, clock=SystemClock()) for _ in range(4))
    stores = await asyncio.gather(*opens)
    await asyncio.gather(*(store.runs.add(a_run(n), []) for n, store in enumerate(stores)))
    for store in stores:
        assert await store.runs.serial() == 4
        await store.close()


async def test_an_older_form_goes_on_with_what_it_knew(
    cluster: Cluster, empty_postgres: str
) -> None:
    with making_engine(empty_postgres).begin() as connection:
        migrate(connection, "0004")
    run = a_run()
    with psycopg.connect(empty_postgres) as session:
        session.execute(b"INSERT INTO runs VALUES (7, %s, %s)", (run.id, encode(run)))
    store = open_store(empty_postgres, clock=FakeClock())
    assert await store.runs.list() == (run,)
    await store.runs.add(a_run(2), [])
    assert await store.runs.serial() == 8
    await store.close()
    assert cluster.sql(empty_postgres, "SELECT version_num FROM alembic_version") == [(HEAD,)]


async def test_a_newer_form_is_refused_also_when_it_comes_during_an_outage(
    store: SqlStore, cluster: Cluster, postgres: str
) -> None:
    name = database_name(postgres)
    cluster.sql(name, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StateError, match="a newer ctl wrote it"):
        open_store(postgres, clock=FakeClock())
    cluster.cut(postgres)
    with pytest.raises(StateError, match="a newer ctl wrote it"):
        await store.runs.add(a_run(1), [])


async def test_nobody_migrates_under_a_controller_that_runs(
    store: SqlStore, cluster: Cluster, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_database, "PAUSES", (0.01,) * 6)
    name = database_name(postgres)
    cluster.sql(name, "UPDATE alembic_version SET version_num = '0003'")
    with pytest.raises(StateAwayError, match="another controller uses it"):
        make_tables(postgres)
    cluster.sql(name, f"UPDATE alembic_version SET version_num = '{HEAD}'")  # noqa: S608  # ours
    await store.runs.add(a_run(1), [])


async def test_a_schema_of_its_own_keeps_to_itself(cluster: Cluster, empty_postgres: str) -> None:
    name = database_name(empty_postgres)
    url = f"{empty_postgres}&options=-csearch_path%3Dours"
    with pytest.raises(StateError, match="none of the schemas"):
        make_tables(url)
    cluster.sql(name, "CREATE SCHEMA ours")
    store = open_store(url, clock=FakeClock())
    await store.runs.add(a_run(1), [])
    await store.close()
    assert cluster.sql(name, "SELECT count(*) FROM ours.runs") == [(1,)]
    assert cluster.sql(name, "SELECT to_regclass('public.runs')") == [(None,)]


def test_a_password_is_never_told(tmp_path: Path) -> None:
    url = f"postgresql://ops:hidden-word@/state?host={tmp_path}"
    assert "hidden-word" not in name_of(url)
    with pytest.raises(StateAwayError) as told:
        open_store(url, clock=FakeClock())
    assert "hidden-word" not in f"{told.value.message}{told.value.hint}"
    with pytest.raises(UsageError, match="cannot read the URL"):
        open_store("postgresql://ops:hidden-word@[::1/x", clock=FakeClock())


async def test_texts_must_be_utf_8(cluster: Cluster) -> None:
    cluster.sql(
        "postgres",
        "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0",
    )
    with pytest.raises(StateError, match="not as UTF8"):
        open_store(cluster.url("latin"), clock=FakeClock())


async def test_a_closed_store_says_so(postgres: str) -> None:
    store = open_store(postgres, clock=FakeClock())
    await store.close()
    await store.close()
    with pytest.raises(StateError, match="closed"):
        await store.runs.add(a_run(), [])
    with pytest.raises(StateError, match="closed"):
        await store.runs.list()


async def test_a_ledger_line_that_is_taken_harms_no_other_write(store: SqlStore) -> None:
    job = a_job()
    await store.runs.add(a_run(), with_bodies(job))
    running = replace(job, state=State.RUNNING)
    results = await asyncio.gather(
        *(store.jobs.append(running, [an_event(job, seq)]) for seq in (1, 1, 2)),
        return_exceptions=True,
    )
    assert [result is None for result in results] == [True, False, True]
    assert [event.seq for event in await store.jobs.events(job.id)] == [1, 2]
