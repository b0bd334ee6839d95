"""What was known at a moment: held against every adapter; and that the past has a bound on disk."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select

from controller.model.files import DeliverySeen, FileKind, FileSeen
from controller.model.ids import Sha
from controller.model.observation import CheckSeen, RepoSeen
from controller.store import retention
from controller.store.ports import Store
from controller.store.postgres import open_store as open_postgres
from controller.store.shelves import SqlStore
from controller.store.sqlite import open_store
from controller.store.tables import HISTORY
from tests.fakes.clocks import START, FakeClock
from tests.store.conftest import Opens
from tests.store.shelf import DIGEST, a_record, seen_at

PAIR = ("shop", "web-01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A store, and the clock that dates what it is given."""

    store: Store
    clock: FakeClock

    def at(self, minute: int) -> datetime:
        moment = START + timedelta(minutes=minute)
        self.clock.set(moment)
        return moment


@pytest.fixture
async def past(backend: Opens) -> AsyncIterator[Past]:
    clock = FakeClock()
    store = backend(clock)
    yield Past(store=store, clock=clock)
    await store.close()


async def test_records_are_told_as_they_were_at_a_moment(past: Past) -> None:
    records = past.store.records
    before = past.at(0) - timedelta(seconds=1)
    await records.put([a_record(by="first"), a_record(server="web-02")])
    second = past.at(10)
    await records.put([a_record(by="second")])
    past.at(20)
    assert await records.all(as_of=before) == {}
    assert (await records.all(as_of=START))[PAIR] == a_record(by="first")
    assert (await records.all(as_of=second - timedelta(microseconds=1)))[PAIR].by == "first"
    assert (await records.all(as_of=second))[PAIR].by == "second"
    assert list(await records.all(as_of=second)) == [PAIR, ("shop", "web-02")]
    assert await records.all(as_of=past.at(20)) == await records.all()


async def test_what_is_forgotten_was_known_before_and_may_come_back(past: Past) -> None:
    records = past.store.records
    await records.put([a_record()])
    gone = past.at(10)
    await records.forget([PAIR, ("shop", "never")])
    back = past.at(20)
    await records.put([a_record()])
    assert await records.all(as_of=START) == {PAIR: a_record()}
    assert await records.all(as_of=gone) == {}
    assert await records.all(as_of=back) == {PAIR: a_record()}


async def test_observations_are_told_as_they_were_at_a_moment(past: Past) -> None:
    seen = past.store.observations
    up, down = seen_at(0), replace(seen_at(10), reached=False, message="no answer")
    one = RepoSeen(repo="shop", url="https://example.com/shop.git", accepted=Sha("1" * 40))
    await seen.put_servers([up])
    await seen.put_repo(one)
    later = past.at(10)
    await seen.put_servers([down])
    await seen.put_repo(replace(one, accepted=Sha("2" * 40)))
    assert await seen.servers(as_of=START) == {"web-01": up}
    assert await seen.servers(as_of=later) == {"web-01": down} == await seen.servers()
    assert (await seen.repos(as_of=START))["shop"] == one
    assert (await seen.repos(as_of=later))["shop"].accepted == Sha("2" * 40)


async def test_one_thing_has_only_so_many_changes_and_the_newest_stay(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "KEPT_CHANGES", 3)
    for minute in range(6):
        past.at(minute)
        await past.store.records.put([a_record(by=str(minute)), a_record(server="web-02")])
    found = [(await past.store.records.all(as_of=past.at(minute))).get(PAIR) for minute in range(6)]
    assert [one and one.by for one in found] == [None, None, None, "3", "4", "5"]
    assert ("shop", "web-02") in await past.store.records.all(as_of=past.at(0))


async def test_the_bytes_of_files_are_never_kept(past: Past) -> None:
    file = FileSeen(path="/etc/x", kind=FileKind.FILE, digest="ab", content=b"hidden")
    delivery = DeliverySeen(digest=DIGEST, at=START, files={"/etc/x": file})
    await past.store.observations.put_servers([seen_at(0, deliveries={"shop": delivery})])
    for as_of in (None, START):
        seen = (await past.store.observations.servers(as_of=as_of))["web-01"]
        assert seen.deliveries["shop"].files["/etc/x"] == replace(file, content=None)


def rows(connection: Connection) -> list[tuple[str, str, str]]:
    query = select(HISTORY.c.kind, HISTORY.c.name, HISTORY.c.server).order_by(HISTORY.c.position)
    return [(kind, name, server) for kind, name, server in connection.execute(query)]


@pytest.fixture(params=["sqlite", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqlStore]:
    made = (
        open_store(tmp_path / ".ctl", clock=FakeClock())
        if request.param == "sqlite"
        else open_postgres(request.getfixturevalue("postgres"), clock=FakeClock())
    )
    yield made
    await made.close()


async def test_seeing_the_same_again_writes_no_row(store: SqlStore) -> None:
    for minute in range(3):
        check = CheckSeen(digest=DIGEST, exit_code=0, at=seen_at(minute).at)
        delivery = DeliverySeen(digest=DIGEST, at=seen_at(minute).at)
        seen = seen_at(minute, checks={"shop": check}, deliveries={"shop": delivery})
        await store.observations.put_servers([seen])
        await store.observations.put_repo(RepoSeen(repo="r", url="u", checked_at=seen.at))
        await store.records.put([a_record()])
        await store.records.forget([("shop", "never")])
    assert await store._reader.read(rows) == [
        ("server", "web-01", ""),
        ("repo", "r", ""),
        ("record", *PAIR),
    ]


async def test_all_of_history_has_a_bound_and_what_is_in_force_is_never_taken(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "KEPT_BYTES", 5_000)
    monkeypatch.setattr(retention, "STEP", 10)
    await store.records.put([a_record(server="old"), a_record(server="gone")])
    await store.records.forget([("shop", "gone")])
    for number in range(100):
        await store.records.put([a_record(by=f"{number}" * 100)])
    kept = await store._reader.read(rows)
    assert ("record", "shop", "old") in kept
    assert ("record", "shop", "gone") not in kept
    weight = select(func.sum(HISTORY.c.size))
    bound = 5_000 + 10 * 600  # what comes in between two looks
    assert 0 < (await store._reader.read(lambda c: c.execute(weight).scalar_one())) < bound
