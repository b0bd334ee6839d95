"""A state of the first form goes on with everything it knew."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from controller.model.observation import RepoSeen
from controller.model.standing import Standing
from controller.store.folder import DATABASE_FILE as FILE, prepare
from controller.store.migrations.runner import migrate
from controller.store.rows import body_row, encode, job_row
from controller.store.sqlite import open_store
from tests.fakes.clocks import START, FakeClock
from tests.store.shelf import NOW, WORK, a_body, a_job, a_record, a_run, seen_at

REPO = RepoSeen(repo="shop", url="https://example.com/shop.git", checked_at=NOW)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A state of form 0001 with one of everything."""
    folder = prepare(tmp_path / ".ctl")
    engine = create_engine(f"sqlite:///{folder / FILE}", poolclass=NullPool)
    with engine.begin() as connection:
        migrate(connection, "0001")
    run, job = a_run(), job_row(a_job())
    rows: dict[str, dict[str, object]] = {
        "runs": {"id": run.id, "data": encode(run)},
        "jobs": job,
        "works": {"digest": "d", "data": encode(WORK)},
        "bodies": {"job": job["id"], "work": "d", "data": encode(body_row(a_body(a_job())))},
        "records": {"target": "shop", "server": "web-01", "data": encode(a_record())},
        "servers_seen": {"server": "web-01", "data": encode(seen_at(0))},
        "repos_seen": {"repo": "shop", "data": encode(REPO)},
    }
    with closing(sqlite3.connect(folder / FILE)) as plain, plain:
        for table, row in rows.items():
            names, marks = ", ".join(row), ", ".join("?" * len(row))
            plain.execute(
                f"INSERT INTO {table} ({names}) VALUES ({marks})",  # noqa: S608  # our own names
                list(row.values()),
            )
    return folder


async def test_everything_is_still_there(old: Path) -> None:
    store = open_store(old, clock=FakeClock())
    assert await store.runs.list() == (a_run(),)
    assert await store.runs.serial() == 1
    assert await store.jobs.body(a_job().id) == a_body(a_job())
    assert await store.records.all() == {("shop", "web-01"): a_record()}
    assert await store.observations.servers() == {"web-01": seen_at(0)}
    assert await store.observations.repos() == {"shop": REPO}
    assert await store.standings.all() == Standing()
    assert await store.tokens.all() == ()
    assert await store.newsroom.append(NOW, [("run", "r1", {})]) == 1
    await store.close()


async def test_history_begins_with_what_was_known(old: Path) -> None:
    clock = FakeClock()
    store = open_store(old, clock=clock)
    await clock.advance(60)
    await store.records.put([replace(a_record(), by="somebody")])
    await store.records.forget([("shop", "never")])
    assert await store.records.all(as_of=START) == {("shop", "web-01"): a_record()}
    assert await store.observations.servers(as_of=START) == {"web-01": seen_at(0)}
    assert await store.observations.repos(as_of=START) == {"shop": REPO}
    assert (await store.records.all(as_of=clock.now()))["shop", "web-01"].by == "somebody"
    await store.records.forget([("shop", "web-01")])
    assert await store.records.all(as_of=clock.now()) == {}
    await store.close()


def test_a_copy_of_the_old_form_is_kept(old: Path) -> None:
    asyncio.run(open_store(old, clock=FakeClock()).close())
    copy = old / "state-0001-20260301T120000Z.db"
    with closing(sqlite3.connect(copy)) as plain:
        assert plain.execute("SELECT count(*) FROM records").fetchone() == (1,)
        tables = {name for (name,) in plain.execute("SELECT name FROM sqlite_master")}
    assert "history" not in tables
