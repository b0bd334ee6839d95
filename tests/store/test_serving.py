"""What every store promises of tokens, parts, contacts, due times and marks, held against each adapter."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from controller.errors import RefusedError, Unreachable
from controller.model.serving import Contact, Due, Part
from controller.model.token import Role, Scope, Token
from controller.store import bounds
from controller.store.ports import Store
from tests.fakes.clocks import FakeClock
from tests.store.conftest import Opens
from tests.store.shelf import NOW

TOKEN = Token(
    id="abcd1234",
    name="ops",
    role=Role.OPERATOR,
    sha256="ab" * 32,
    scope=Scope(targets="shop-*", servers="web:&prod"),
    by="admin",
    created_at=NOW,
    expires_at=NOW + timedelta(days=90),
)
PART = Part(
    name="worker",
    instance="a1",
    host="ctl-1",
    pid=4711,
    version="1.0",
    started_at=NOW,
    seen_at=NOW,
    failures=2,
    error="cannot reach the database",
)
CONTACT = Contact(
    server="web-01",
    reached=False,
    since=NOW,
    checked_at=NOW,
    failures=4,
    down=True,
    cause=Unreachable.DNS,
    message="no such host \u00fc",
    login_at=NOW,
    flaps=(NOW, NOW + timedelta(minutes=1)),
    down_seconds=61.5,
)


@pytest.fixture
async def store(backend: Opens) -> AsyncIterator[Store]:
    made = backend(FakeClock())
    yield made
    await made.close()


def due_at(minutes: float, target: str = "shop", outcome: str = "fired") -> Due:
    due = NOW + timedelta(minutes=minutes)
    return Due(target=target, due=due, at=due + timedelta(seconds=1), outcome=outcome, run="r1")


async def test_a_token_reads_back_equal(store: Store) -> None:
    assert await store.tokens.add(TOKEN)
    assert await store.tokens.get(TOKEN.id) == TOKEN
    for other in ("other", "", "abcd1234\x00", "\x00", "'; --", "\u202e"):
        assert await store.tokens.get(other) is None


async def test_an_id_of_a_token_is_given_once(store: Store) -> None:
    assert await store.tokens.add(TOKEN)
    assert not await store.tokens.add(replace(TOKEN, name="thief"))
    assert await store.tokens.all() == (TOKEN,)


async def test_tokens_are_listed_oldest_first(store: Store) -> None:
    younger = replace(TOKEN, id="0", created_at=NOW + timedelta(microseconds=1))
    await store.tokens.add(younger)
    await store.tokens.add(TOKEN)
    assert await store.tokens.all() == (TOKEN, younger)


async def test_of_two_changes_of_one_token_one_is_refused(store: Store) -> None:
    await store.tokens.add(TOKEN)
    revoked = replace(TOKEN, revoked_at=NOW)
    assert await store.tokens.change(TOKEN, revoked)
    assert not await store.tokens.change(TOKEN, replace(TOKEN, successor="x"))
    assert await store.tokens.get(TOKEN.id) == revoked
    assert not await store.tokens.change(replace(TOKEN, id="other"), revoked)


async def test_the_use_of_a_token_stands_in_nobodys_way(store: Store) -> None:
    await store.tokens.add(TOKEN)
    await store.tokens.used(TOKEN.id, NOW, "192.0.2.1")
    await store.tokens.used("other", NOW, "192.0.2.1")
    revoked = replace(TOKEN, revoked_at=NOW)
    assert await store.tokens.change(TOKEN, revoked)
    assert await store.tokens.get(TOKEN.id) == replace(revoked, used_at=NOW, used_from="192.0.2.1")


async def test_a_token_that_is_over_makes_room_and_a_good_one_never(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "TOKENS", 2)
    old = replace(TOKEN, id="old", expires_at=NOW)
    for one in (old, TOKEN, replace(TOKEN, id="new")):
        assert await store.tokens.add(one)
    assert await store.tokens.get("old") is None
    with pytest.raises(RefusedError, match="more than 2 tokens"):
        await store.tokens.add(replace(TOKEN, id="further"))
    assert await store.tokens.get("further") is None
    assert len(await store.tokens.all()) == 2


async def test_a_heartbeat_replaces_the_one_before(store: Store) -> None:
    await store.parts.beat(PART)
    later = replace(PART, seen_at=NOW + timedelta(seconds=10), error=None)
    await store.parts.beat(later)
    assert await store.parts.all() == (later,)


async def test_the_newest_heartbeat_of_a_name_comes_first(store: Store) -> None:
    second = replace(PART, instance="b2", seen_at=NOW + timedelta(seconds=1))
    api = replace(PART, name="api")
    for part in (PART, second, api):
        await store.parts.beat(part)
    assert await store.parts.all() == (api, second, PART)


async def test_a_part_that_is_silent_for_a_day_is_gone(store: Store) -> None:
    await store.parts.beat(PART)
    other = replace(PART, instance="b2", seen_at=NOW + timedelta(days=1))
    await store.parts.beat(other)
    assert await store.parts.all() == (other, PART)
    other = replace(other, seen_at=NOW + timedelta(days=1, seconds=1))
    await store.parts.beat(other)
    assert await store.parts.all() == (other,)


async def test_parts_keep_to_their_bound(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "PARTS", 2)
    beats = [replace(PART, instance=f"i{n}", seen_at=NOW + timedelta(seconds=n)) for n in range(4)]
    for part in beats:
        await store.parts.beat(part)
    assert await store.parts.all() == (beats[3], beats[2])


async def test_contacts_replace_each_other_by_server(store: Store) -> None:
    other = replace(CONTACT, server="db-1", reached=True, down=False, cause=None)
    await store.contacts.put([CONTACT, other])
    await store.contacts.put([replace(CONTACT, failures=5)])
    await store.contacts.put([])
    assert await store.contacts.all() == {"db-1": other, "web-01": replace(CONTACT, failures=5)}
    assert list(await store.contacts.all()) == ["db-1", "web-01"]
    assert await store.contacts.get("db-1") == other
    assert await store.contacts.get("never") is None
    await store.contacts.forget(["db-1", "never"])
    await store.contacts.forget([])
    assert list(await store.contacts.all()) == ["web-01"]


async def test_a_due_time_is_claimed_once_by_whoever_comes_first(store: Store) -> None:
    claims = [due_at(0, outcome=f"by {n}") for n in range(8)]
    said = await asyncio.gather(*(store.dues.claim(claim) for claim in claims))
    assert said.count(True) == 1
    assert await store.dues.list("shop") == (claims[said.index(True)],)
    assert await store.dues.claim(due_at(0, target="blog"))


async def test_due_times_are_listed_latest_first(store: Store) -> None:
    dues = [due_at(minutes) for minutes in (5, 1, 9)]
    for due in dues:
        assert await store.dues.claim(due)
    assert await store.dues.last("shop") == dues[2]
    assert await store.dues.list("shop", limit=2) == (dues[2], dues[0])
    assert await store.dues.last("blog") is None


async def test_a_due_time_that_is_not_kept_any_more_never_fires_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "DUES", 2)
    assert await store.dues.claim(due_at(0, target="blog"))
    for minutes in (1, 2, 3):
        assert await store.dues.claim(due_at(minutes))
    assert not await store.dues.claim(due_at(1))
    assert not await store.dues.claim(due_at(0))
    assert await store.dues.list("shop") == (due_at(3), due_at(2))
    assert await store.dues.list("blog") == (due_at(0, target="blog"),)
    assert await store.dues.claim(due_at(2.5))


async def test_marks_read_back_by_name_and_by_prefix(store: Store) -> None:
    for name in ("poke/repo/shop", "poke/repo/blog", "Poke/repo/x", "poke_", "config"):
        await store.marks.put(name, name.upper())
    await store.marks.put("config", "\u00fc%_")
    assert await store.marks.get("config") == "\u00fc%_"
    assert await store.marks.get("none") is None
    found = await store.marks.prefixed("poke/")
    assert list(found) == ["poke/repo/blog", "poke/repo/shop"]
    assert list(await store.marks.prefixed("poke_")) == ["poke_"]
    assert len(await store.marks.prefixed("")) == 5


@pytest.mark.parametrize("stored", [None, "a", "b"])
@pytest.mark.parametrize("before", [None, "a"])
@pytest.mark.parametrize("after", [None, "a", "c"])
async def test_a_mark_is_swapped_exactly_when_it_is_as_it_was_read(
    store: Store, stored: str | None, before: str | None, after: str | None
) -> None:
    if stored is not None:
        await store.marks.put("lease", stored)
    assert await store.marks.swap("lease", before, after) is (stored == before)
    assert await store.marks.get("lease") == (after if stored == before else stored)


async def test_of_many_swaps_at_once_one_wins(store: Store) -> None:
    said = await asyncio.gather(*(store.marks.swap("lease", None, f"w{n}") for n in range(8)))
    assert said.count(True) == 1
    assert await store.marks.get("lease") == f"w{said.index(True)}"


async def test_marks_keep_to_their_bounds(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MARKS", 2)
    await store.marks.put("a", "1")
    assert await store.marks.swap("b", None, "1")
    for attempt in (store.marks.put("c", "1"), store.marks.swap("c", None, "1")):
        with pytest.raises(RefusedError, match="there are 2 already"):
            await attempt
    await store.marks.put("a", "2")
    assert await store.marks.swap("b", "1", None)
    await store.marks.put("c", "3")
    assert await store.marks.prefixed("") == {"a": "2", "c": "3"}
    with pytest.raises(RefusedError, match="name has"):
        await store.marks.put("n" * (bounds.MARK_NAME + 1), "")
    with pytest.raises(RefusedError, match="value has"):
        await store.marks.put("a", "v" * (bounds.MARK_VALUE + 1))
