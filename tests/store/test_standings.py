"""What people decided: one fact in one place, held against every adapter."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from controller.model.ids import Digest, Sha
from controller.model.standing import Approval, Fact, Ignore, Pin, Standing, Suspension
from controller.store import retention
from controller.store.ports import Store
from tests.fakes.clocks import FakeClock
from tests.store.conftest import Opens
from tests.store.shelf import DIGEST, NOW

BY = "ops@example.com"
SUSPENSION = Suspension(target="shop", reason="audit", by=BY, at=NOW)
APPROVAL = Approval(target="shop", digest=DIGEST, by=BY, at=NOW)
PIN = Pin(
    target="shop",
    repo="shop",
    commit=Sha("1" * 40),
    bad=Sha("2" * 40),
    files=("app/run.sh", "odd \u00fc"),
    reason="500s",
    by=BY,
    at=NOW,
    until=NOW + timedelta(days=1),
)
IGNORE = Ignore(target="shop", server="web-01", reason="known", by=BY, at=NOW, until=NOW)
FACTS: tuple[Fact, ...] = (SUSPENSION, APPROVAL, PIN, IGNORE)


@pytest.fixture
async def store(backend: Opens) -> AsyncIterator[Store]:
    made = backend(FakeClock())
    yield made
    await made.close()


async def test_nothing_stands_at_first(store: Store) -> None:
    assert await store.standings.all() == Standing()


async def test_facts_read_back_equal(store: Store) -> None:
    for fact in FACTS:
        await store.standings.put(fact)
    assert await store.standings.all() == Standing(
        suspensions={"shop": SUSPENSION},
        approvals=(APPROVAL,),
        pins={"shop": PIN},
        ignores=(IGNORE,),
    )


@pytest.mark.parametrize("fact", FACTS)
async def test_a_fact_takes_the_place_of_the_one_before(store: Store, fact: Fact) -> None:
    await store.standings.put(fact)
    other = replace(fact, reason="another", at=NOW + timedelta(hours=1))
    await store.standings.put(other)
    found = await store.standings.all()
    assert [
        *found.suspensions.values(),
        *found.approvals,
        *found.pins.values(),
        *found.ignores,
    ] == [other]


async def test_facts_of_other_places_stand_beside_each_other(store: Store) -> None:
    approvals = (APPROVAL, replace(APPROVAL, by="b"), replace(APPROVAL, digest=Digest("cd" * 32)))
    ignores = (IGNORE, replace(IGNORE, path="/etc/x"), replace(IGNORE, server="web-02"))
    for fact in (*approvals, *ignores, replace(SUSPENSION, target="blog"), SUSPENSION):
        await store.standings.put(fact)
    found = await store.standings.all()
    assert found.approvals == approvals
    assert found.ignores == ignores
    assert list(found.suspensions) == ["blog", "shop"]


@pytest.mark.parametrize("fact", FACTS)
async def test_exactly_what_was_read_is_lifted_and_only_once(store: Store, fact: Fact) -> None:
    await store.standings.put(fact)
    assert await store.standings.lift(replace(fact, reason="of somebody else")) is False
    assert await store.standings.lift(fact) is True
    assert await store.standings.lift(fact) is False
    assert await store.standings.all() == Standing()


async def test_the_oldest_approvals_of_a_target_go(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "KEPT_FACTS", {"approval": 2, "ignore": 2})
    other = replace(APPROVAL, target="blog")
    await store.standings.put(other)
    made = [replace(APPROVAL, digest=Digest(f"{number:064}")) for number in range(4)]
    for fact in made:
        await store.standings.put(fact)
    await store.standings.put(replace(made[2], reason="again"))
    found = (await store.standings.all()).approvals
    assert found == (other, made[3], replace(made[2], reason="again"))
