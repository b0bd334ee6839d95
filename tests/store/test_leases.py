"""One controller acts at a time, and one that was taken for dead writes nothing more."""

import asyncio
from pathlib import Path

import pytest

from controller.clock import SystemClock
from controller.errors import LockedError
from controller.store.leases import Lease
from controller.store.postgres import open_store as open_postgres
from controller.store.shelves import SqlStore
from controller.store.sqlite import open_store
from tests.fakes.clocks import FakeClock
from tests.store.shelf import a_run


def opened(url: str) -> SqlStore:
    return open_postgres(url, clock=SystemClock())


async def test_one_owner_holds_a_lease_until_it_runs_out_or_is_given_back(postgres: str) -> None:
    one, other = opened(postgres), opened(postgres)
    first = await one.leases.acquire("acting", "a", 30)
    assert first == Lease(name="acting", owner="a", epoch=1)
    assert await other.leases.acquire("acting", "b", 30) is None
    assert await other.leases.acquire("elsewhere", "b", 30) is not None
    assert await one.leases.renew(first, 0.05)
    await asyncio.sleep(0.1)
    second = await other.leases.acquire("acting", "b", 30)
    assert second is not None
    assert second.epoch == 2
    assert not await one.leases.renew(first, 30)
    await one.leases.release(first)  # is not his any more
    assert await one.leases.acquire("acting", "a", 30) is None
    await other.leases.release(second)
    third = await one.leases.acquire("acting", "a", 30)
    assert third == await other.leases.holder("acting")
    assert third is not None
    assert third.epoch == 3
    await one.close()
    await other.close()


async def test_of_many_at_the_same_time_one_gets_it(postgres: str) -> None:
    stores = [opened(postgres) for _ in range(4)]
    tries = [
        store.leases.acquire("acting", f"o{n}", 30) for n, store in enumerate(stores) for _ in "ab"
    ]
    got = [lease for lease in await asyncio.gather(*tries) if lease is not None]
    assert {lease.owner for lease in got} == {got[0].owner}
    assert sorted(lease.epoch for lease in got) == list(range(1, len(got) + 1))
    for store in stores:
        await store.close()


async def test_a_write_of_an_older_epoch_fails_and_a_current_one_passes(postgres: str) -> None:
    old, new = opened(postgres), opened(postgres)
    first = await old.leases.acquire("acting", "old", 0)
    assert first is not None
    old.fence(first)
    await old.runs.add(a_run(1), [])
    second = await new.leases.acquire("acting", "new", 30)
    assert second is not None
    new.fence(second)
    with pytest.raises(LockedError, match=r"epoch 1\): new \(epoch 2\) has taken over"):
        await old.runs.add(a_run(2), [])
    await new.runs.add(a_run(3), [])
    assert {run.id for run in await old.runs.list()} == {a_run(1).id, a_run(3).id}
    assert not await old.leases.renew(first, 30)
    await old.close()
    await new.close()


async def test_on_sqlite_each_start_is_a_new_epoch_and_the_older_writes_no_more(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    old = open_store(tmp_path / ".ctl", clock=clock)
    first = await old.leases.acquire("acting", "old", 3600)
    assert first is not None
    old.fence(first)
    new = open_store(tmp_path / ".ctl", clock=clock)
    second = await new.leases.acquire("acting", "new", 3600)  # whoever has the lock of the folder
    assert second is not None
    assert second.epoch == first.epoch + 1
    with pytest.raises(LockedError, match="has taken over"):
        await old.runs.add(a_run(1), [])
    new.fence(second)
    await new.runs.add(a_run(2), [])
    assert await old.runs.list() == (a_run(2),)
    await old.close()
    await new.close()
