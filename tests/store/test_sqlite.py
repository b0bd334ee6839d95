"""What only a database on a disk can promise: durability, one writer over processes, and clear refusals."""

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from controller.errors import StateError
from controller.model.job import State
from controller.store.folder import DATABASE_FILE as FILE
from controller.store.schema import HEAD, migrations_folder
from controller.store.sqlite import open_store
from controller.store.sqlite_database import SqliteDatabase
from controller.store.tables import METADATA, UNSETTLED
from tests.fakes.clocks import FakeClock
from tests.store.shelf import a_job, a_run, an_event, with_bodies

WRITER = """
import asyncio, sys
from dataclasses import replace
from pathlib import Path
from controller.clock import SystemClock
from controller.model.job import State
from controller.store.sqlite import open_store
from tests.store.shelf import a_job, a_run, an_event, with_bodies

async def main():
    store = open_store(Path(sys.argv[1]), clock=SystemClock())
    first = int(sys.argv[2])
    for number in range(first, first + int(sys.argv[3])):
        job = a_job(number, run=number)
        await store.runs.add(a_run(number), with_bodies(job))
        await store.jobs.append(replace(job, state=State.RUNNING), [an_event(job, 1)])
        print(number, flush=True)
    await asyncio.sleep(float(sys.argv[4]))
    await store.close()

asyncio.run(main())
"""


def start_writer(folder: Path, first: int, count: int, wait: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), str(first), str(count), str(wait)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )


@pytest.mark.real
async def test_what_has_returned_survives_a_kill(tmp_path: Path) -> None:
    folder = tmp_path / ".ctl"
    writer = start_writer(folder, 1, 100_000, 0)
    assert writer.stdout is not None
    try:
        told = [int(await asyncio.to_thread(writer.stdout.readline)) for _ in range(50)]
    finally:
        writer.send_signal(signal.SIGKILL)
        rest, _ = writer.communicate()
    told += [int(line) for line in rest.splitlines(keepends=True) if line.endswith(b"\n")]
    store = open_store(folder, clock=FakeClock())
    jobs = {job.id: job for job in await store.jobs.list(limit=200_000)}
    for number in told:
        assert jobs[a_job(number).id].state is State.RUNNING
        assert len(await store.jobs.events(a_job(number).id)) == 1
    assert len(await store.jobs.open()) - len(told) in {0, 1}  # one more may have been under way
    await store.close()


@pytest.mark.real
async def test_processes_write_in_turn_while_others_read(tmp_path: Path) -> None:
    folder = tmp_path / ".ctl"
    store = open_store(folder, clock=FakeClock())
    writers = [start_writer(folder, first, 60, 0) for first in (1, 1001)]
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
    assert len(await store.jobs.list(limit=1000)) == 120
    await store.close()
    with closing(sqlite3.connect(folder / FILE)) as plain:
        assert plain.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_the_storage_rules_are_in_force(tmp_path: Path) -> None:
    store = open_store(tmp_path / ".ctl", clock=FakeClock())

    def rules(connection: Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "wal_autocheckpoint")
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    assert await store._writer.write(rules) == ["wal", 2, 1, 0]
    with pytest.raises(StateError, match="read-only"):
        await store._reader.read(lambda c: c.exec_driver_sql("DELETE FROM runs"))
    for path in (tmp_path / ".ctl").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    await store.close()


async def test_a_write_that_breaks_reaches_its_own_caller_only(tmp_path: Path) -> None:
    store = open_store(tmp_path / ".ctl", clock=FakeClock())

    def broken(connection: Connection) -> None:
        connection.exec_driver_sql("INSERT INTO runs (id, data) VALUES ('half', '')")
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
    await store.close()


async def test_a_full_disk_loses_nothing_and_writing_goes_on_later(tmp_path: Path) -> None:
    store = open_store(tmp_path / ".ctl", clock=FakeClock())
    await store.runs.add(a_run(1), [])
    pages = await store._writer.write(lambda c: c.exec_driver_sql("PRAGMA page_count").scalar_one())

    def limit(number: int) -> None:
        database = store._writer._database
        assert isinstance(database, SqliteDatabase)
        connection = database._writer
        assert connection is not None
        plain = connection.connection.driver_connection
        assert isinstance(plain, sqlite3.Connection)
        plain.execute(f"PRAGMA max_page_count = {number}")

    limit(pages)
    with pytest.raises(StateError, match="the disk is full"):
        await store.runs.add(replace(a_run(2), title="x" * 100_000), [])
    limit(1_000_000)
    await store.runs.add(a_run(3), [])
    assert [run.id for run in await store.runs.list()] == [a_run(3).id, a_run(1).id]
    await store.close()


FAILING_DISK = """
import asyncio, resource, sys
from pathlib import Path
from controller.clock import SystemClock
from controller.errors import StateError
from controller.store.sqlite import open_store
from tests.store.shelf import a_run

async def main():
    store = open_store(Path(sys.argv[1]), clock=SystemClock())
    await store.runs.add(a_run(1), [])
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    for number in (2, 3):
        try:
            await store.runs.add(a_run(number), [])
        except StateError as error:
            print(error.message)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    await store.close()

asyncio.run(main())
"""


@pytest.mark.real
async def test_after_an_error_of_the_disk_nothing_more_is_written(tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: ASYNC221  # there is nothing else to do meanwhile
        [sys.executable, "-c", FAILING_DISK, str(tmp_path / ".ctl")],
        capture_output=True,
        cwd=Path(__file__).parents[2],
        check=True,
        timeout=30,
    )
    assert done.stdout.count(b"the disk reports an error") == 2, done
    store = open_store(tmp_path / ".ctl", clock=FakeClock())
    assert await store.runs.list() == (a_run(1),)
    await store.close()


async def test_a_newer_form_is_refused_and_left_alone(tmp_path: Path) -> None:
    await open_store(tmp_path / ".ctl", clock=FakeClock()).close()
    path = tmp_path / ".ctl" / FILE
    with closing(sqlite3.connect(path)) as plain, plain:
        plain.execute("UPDATE alembic_version SET version_num = '9999'")
    before = path.read_bytes()
    with pytest.raises(StateError, match="a newer ctl wrote it"):
        open_store(tmp_path / ".ctl", clock=FakeClock())
    assert path.read_bytes() == before


async def test_an_older_form_is_copied_before_it_is_migrated(tmp_path: Path) -> None:
    folder = tmp_path / ".ctl"
    await open_store(folder, clock=FakeClock()).close()
    with closing(sqlite3.connect(folder / FILE)) as plain, plain:
        plain.execute("UPDATE alembic_version SET version_num = '0000'")
    with pytest.raises(StateError, match="cannot migrate"):  # nobody has ever heard of 0000
        open_store(folder, clock=FakeClock())
    copy = folder / "state-0000-20260301T120000Z.db"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with closing(sqlite3.connect(copy)) as plain:
        assert plain.execute("SELECT version_num FROM alembic_version").fetchone() == ("0000",)


async def test_migrations_make_what_the_tables_say(tmp_path: Path) -> None:
    await open_store(tmp_path / ".ctl", clock=FakeClock()).close()
    engine = create_engine(f"sqlite:///{tmp_path / '.ctl' / FILE}", poolclass=NullPool)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []

    def schema(path: Path) -> set[str]:
        with closing(sqlite3.connect(path)) as plain:
            rows = plain.execute("SELECT sql FROM sqlite_master WHERE sql NOT NULL")
            found = {"".join(sql.split()) for (sql,) in rows}
        return {sql for sql in found if "alembic_version" not in sql}

    fresh = tmp_path / "fresh.db"
    METADATA.create_all(create_engine(f"sqlite:///{fresh}", poolclass=NullPool))
    assert schema(tmp_path / ".ctl" / FILE) == schema(fresh)


def test_the_head_is_the_newest_migration() -> None:
    assert ScriptDirectory(migrations_folder()).get_heads() == [HEAD]


def test_unsettled_are_the_states_that_may_change() -> None:
    assert set(UNSETTLED) == {s.value for s in State if not s.ended or s is State.LOST}


def test_alembic_is_not_imported_for_a_state_that_is_current(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom tests.fakes.clocks import FakeClock\n"
        "from controller.store.sqlite import open_store\n"
        f"asyncio.run(open_store(Path({str(tmp_path / '.ctl')!r}), clock=FakeClock()).close())\n"
        "print('alembic' in sys.modules)"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            check=True,
            cwd=Path(__file__).parents[2],
        ).stdout
        for _ in range(2)
    ]
    assert said == [b"True\n", b"False\n"]


@pytest.mark.parametrize("damage", ["not a database" * 100, "\x00" * 5000])
def test_what_is_not_a_database_is_refused_and_left_alone(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / ".ctl"
    folder.mkdir()
    (folder / FILE).write_text(damage)
    with pytest.raises(StateError, match="cannot use"):
        open_store(folder, clock=FakeClock())
    assert (folder / FILE).read_text() == damage


async def test_a_damaged_database_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / ".ctl"
    store = open_store(folder, clock=FakeClock())
    await store.runs.add(a_run(), with_bodies(*(a_job(number) for number in range(200))))
    await store.close()
    path = folder / FILE
    data = bytearray(path.read_bytes())
    data[8192:40_960] = os.urandom(40_960 - 8192)
    path.write_bytes(data)
    with pytest.raises(StateError, match="damaged"):
        open_store(folder, clock=FakeClock())


async def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = open_store(tmp_path / ".ctl", clock=FakeClock())
    await store.close()
    await store.close()
    with pytest.raises(StateError, match="closed"):
        await store.runs.add(a_run(), [])
    with pytest.raises(StateError, match="closed"):
        await store.runs.list()


async def test_a_caller_that_goes_away_harms_nobody(tmp_path: Path) -> None:
    store = open_store(tmp_path / ".ctl", clock=FakeClock())
    tasks = [asyncio.create_task(store.runs.add(a_run(number), [])) for number in range(50)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    kept = {run.id for run in await store.runs.list(limit=100)}
    assert kept >= {a_run(number).id for number in range(1, 50, 2)}
    await store.close()


async def test_the_log_of_writes_does_not_grow_for_ever(tmp_path: Path) -> None:
    store = open_store(tmp_path / ".ctl", clock=FakeClock())
    job = a_job()
    await store.runs.add(a_run(), with_bodies(job))
    for seq in range(1, 40):
        line = an_event(job, seq, reason="x" * 400_000)
        await store.jobs.append(replace(job, state=State.RUNNING), [line])
    assert (tmp_path / ".ctl" / f"{FILE}-wal").stat().st_size < 8 * 1024 * 1024
    await store.close()
    assert not (tmp_path / ".ctl" / f"{FILE}-wal").exists()


async def test_a_long_read_never_holds_up_a_write(tmp_path: Path) -> None:
    store = open_store(tmp_path / ".ctl", clock=FakeClock())
    await store.runs.add(a_run(), with_bodies(a_job()))
    path = tmp_path / ".ctl" / FILE
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM events").fetchone() == (0,)
        async with asyncio.timeout(10):
            for seq in range(1, 40):
                await store.jobs.append(a_job(), [an_event(a_job(), seq, reason="x" * 400_000)])
        assert reader.execute("SELECT count(*) FROM events").fetchone() == (0,)
    await store.jobs.append(a_job(), [an_event(a_job(), 40, reason="x" * 10_000_000)])
    await store.jobs.append(a_job(), [an_event(a_job(), 41)])
    assert path.with_name(f"{FILE}-wal").stat().st_size < 1024 * 1024
    await store.close()


async def test_a_state_folder_that_vanishes_is_told_and_nobody_waits_for_ever(
    tmp_path: Path,
) -> None:
    store = open_store(tmp_path / ".ctl", clock=FakeClock())
    await store.runs.add(a_run(1), [])
    (tmp_path / ".ctl").rename(tmp_path / "moved")
    async with asyncio.timeout(5):
        with pytest.raises(StateError, match="cannot write"):
            await store.runs.add(a_run(2), [])
    (tmp_path / "moved").rename(tmp_path / ".ctl")
    await store.runs.add(a_run(3), [])
    assert [run.id for run in await store.runs.list()] == [a_run(3).id, a_run(1).id]
    await store.close()
