"""What every store promises of news, answers and the outbox, held against each adapter."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from controller.errors import StateError
from controller.model.notice import Delivery, Letter, Notice, Occasion, Trouble
from controller.model.serving import Answered
from controller.store import bounds
from controller.store.ports import Store
from controller.store.sqlite import open_store
from tests.fakes.clocks import FakeClock
from tests.store.conftest import Opens
from tests.store.shelf import NOW

NOTICE = Notice(
    id="n1",
    at=NOW,
    occasion=Occasion.UNREACHABLE,
    subject="server/web-01",
    title="web-01 is unreachable",
    lines=("dns: no such host", "odd \u00fc\u202e"),
    facts={"server": "web-01", "failures": 4, "cause": None},
    group="servers",
    problem="unreachable",
)
TROUBLE = Trouble(
    notice=NOTICE,
    since=NOW,
    told={"notifier/ops": NOW},
    changes=(NOW,),
    over=replace(NOTICE, id="n2", occasion=Occasion.RECOVERED, problem=None),
    owed=frozenset({"notifier/ops"}),
)
ANSWERED = Answered(key="k1", caller="ops", request="ab" * 32, status=0, body="", at=NOW)


@pytest.fixture
async def store(backend: Opens) -> AsyncIterator[Store]:
    made = backend(FakeClock())
    yield made
    await made.close()


def letter_at(seconds: float, **changes: object) -> Letter:
    at = NOW + timedelta(seconds=seconds)
    values: dict[str, object] = {
        "id": f"letter-{seconds}",
        "receiver": "notifier/ops",
        "created_at": at,
        "due": at + timedelta(seconds=30),
        "notices": (NOTICE,),
    }
    return Letter(**(values | changes))  # type: ignore[arg-type]


async def test_news_are_numbered_from_one_and_read_in_order(store: Store) -> None:
    assert await store.newsroom.ends() == (0, 0)
    assert await store.newsroom.append(NOW, []) == 0
    items: list[tuple[str, str, dict[str, object]]] = [
        ("job", "j1", {"state": "running", "n": 1}),
        ("repo", "shop", {}),
    ]
    assert await store.newsroom.append(NOW, items) == 2
    assert await store.newsroom.append(NOW, items[:1]) == 3
    found = await store.newsroom.after(0)
    assert [(news.seq, news.kind, news.name) for news in found] == [
        (1, "job", "j1"),
        (2, "repo", "shop"),
        (3, "job", "j1"),
    ]
    assert found[0].data == {"state": "running", "n": 1}
    assert await store.newsroom.after(1, limit=1) == found[1:2]
    assert await store.newsroom.after(3) == ()
    assert await store.newsroom.ends() == (1, 3)


async def test_the_oldest_news_go_and_numbers_go_on(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "NEWS", 3)
    for number in range(5):
        await store.newsroom.append(NOW, [("job", f"j{number}", {})])
    assert await store.newsroom.ends() == (3, 5)
    assert [news.name for news in await store.newsroom.after(0)] == ["j2", "j3", "j4"]
    assert await store.newsroom.append(NOW, [("job", f"j{n}", {}) for n in range(5)]) == 10
    assert await store.newsroom.ends() == (8, 10)


async def test_writers_of_news_never_share_a_number(store: Store) -> None:
    pair: list[tuple[str, str, dict[str, object]]] = [("job", "a", {}), ("job", "b", {})]
    said = await asyncio.gather(*(store.newsroom.append(NOW, pair) for _ in range(10)))
    assert sorted(said) == list(range(2, 21, 2))
    assert [news.seq for news in await store.newsroom.after(0)] == list(range(1, 21))


async def test_news_that_cannot_be_kept_are_refused_and_use_up_no_number(store: Store) -> None:
    with pytest.raises(StateError):
        await store.newsroom.append(NOW, [("job", "\ud800", {})])
    assert await store.newsroom.append(NOW, [("job", "a", {})]) == 1


async def test_numbers_of_news_outlive_the_process(tmp_path: Path) -> None:
    for expected in (1, 2):
        store = open_store(tmp_path / ".ctl", clock=FakeClock())
        assert await store.newsroom.append(NOW, [("job", "a", {})]) == expected
        await store.close()


async def test_an_answer_is_reserved_once_and_given_again(store: Store) -> None:
    assert await store.answers.reserve(ANSWERED) is None
    assert await store.answers.reserve(replace(ANSWERED, request="other")) == ANSWERED
    whole = replace(ANSWERED, status=202, body='{"run": "r1"}')
    await store.answers.complete(whole)
    assert await store.answers.reserve(ANSWERED) == whole
    assert await store.answers.reserve(replace(ANSWERED, caller="other")) is None


async def test_of_many_that_reserve_at_once_one_begins(store: Store) -> None:
    said = await asyncio.gather(*(store.answers.reserve(ANSWERED) for _ in range(8)))
    assert said.count(None) == 1


async def test_a_request_that_came_to_nothing_may_be_tried_again(store: Store) -> None:
    await store.answers.reserve(ANSWERED)
    await store.answers.drop("k1", "ops")
    await store.answers.drop("k1", "ops")
    assert await store.answers.reserve(ANSWERED) is None


async def test_an_answer_is_gone_after_a_day(store: Store) -> None:
    await store.answers.reserve(ANSWERED)
    nearly = replace(ANSWERED, at=NOW + timedelta(hours=23, minutes=59))
    assert await store.answers.reserve(nearly) == ANSWERED
    later = replace(ANSWERED, at=NOW + timedelta(days=1))
    assert await store.answers.reserve(later) is None


async def test_answers_keep_to_their_bound(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "ANSWERS", 2)
    made = [replace(ANSWERED, key=f"k{n}", at=NOW + timedelta(seconds=n)) for n in range(3)]
    for one in made:
        assert await store.answers.reserve(one) is None
    assert await store.answers.reserve(made[2]) == made[2]
    assert await store.answers.reserve(made[1]) == made[1]
    assert await store.answers.reserve(replace(made[0], at=NOW + timedelta(seconds=9))) is None


async def test_letters_and_troubles_read_back_equal(store: Store) -> None:
    status = letter_at(1, notices=(), receiver="forge/shop", status={"state": "pending"})
    await store.outbox.post([letter_at(0), status], troubles={"server/web-01 unreachable": TROUBLE})
    assert await store.outbox.list() == (status, letter_at(0))
    assert await store.outbox.list(limit=1) == (status,)
    assert await store.outbox.troubles() == {"server/web-01 unreachable": TROUBLE}
    assert await store.outbox.troubles(["server/web-01 unreachable", "x"]) == {
        "server/web-01 unreachable": TROUBLE
    }
    assert await store.outbox.troubles(["x"]) == await store.outbox.troubles([]) == {}
    await store.outbox.post([], troubles={"server/web-01 unreachable": None, "never": None})
    assert await store.outbox.troubles() == {}


async def test_a_letter_that_is_posted_twice_stays_as_it_is(store: Store) -> None:
    await store.outbox.post([letter_at(0)], troubles={})
    sent = replace(letter_at(0), state=Delivery.SENT, tries=1, sent_at=NOW)
    await store.outbox.put([sent])
    await store.outbox.post([letter_at(0), letter_at(1)], troubles={})
    assert await store.outbox.list() == (letter_at(1), sent)


async def test_letters_are_due_in_their_order(store: Store) -> None:
    letters = [letter_at(20), letter_at(0), letter_at(10, due=NOW)]
    await store.outbox.post(letters, troubles={})
    await store.outbox.post([], troubles={})
    assert await store.outbox.next_due() == NOW
    assert await store.outbox.waiting(NOW) == (letters[2],)
    later = NOW + timedelta(minutes=5)
    assert await store.outbox.waiting(later) == (letters[2], letters[1], letters[0])
    assert await store.outbox.waiting(later, limit=1) == (letters[2],)


async def test_what_is_settled_waits_no_more(store: Store) -> None:
    letters = [letter_at(number) for number in range(4)]
    await store.outbox.post(letters, troubles={})
    ends = (Delivery.SENT, Delivery.DEAD, Delivery.MERGED)
    await store.outbox.put(
        replace(letter, state=state) for letter, state in zip(letters, ends, strict=False)
    )
    again = replace(letters[3], due=NOW + timedelta(hours=1), tries=1, error="busy")
    await store.outbox.put([again, letter_at(99)])
    await store.outbox.put([])
    assert await store.outbox.waiting(NOW + timedelta(days=1)) == (again,)
    assert await store.outbox.next_due() == NOW + timedelta(hours=1)
    assert [letter.state for letter in await store.outbox.list()] == [Delivery.WAITING, *ends[::-1]]


async def test_settled_letters_go_first_and_then_the_oldest(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "LETTERS", 3)
    letters = [letter_at(number) for number in range(6)]
    await store.outbox.post(letters[:3], troubles={})
    await store.outbox.put([replace(letters[1], state=Delivery.SENT)])
    assert await store.outbox.post(letters[3:4], troubles={}) == 0
    assert await store.outbox.list() == (letters[3], letters[2], letters[0])
    assert await store.outbox.post(letters[4:], troubles={}) == 2
    assert await store.outbox.list() == (letters[5], letters[4], letters[3])


async def test_troubles_keep_to_their_bound(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "TROUBLES", 2)
    for number in (2, 0, 1):
        one = replace(TROUBLE, since=NOW + timedelta(minutes=number))
        await store.outbox.post([], troubles={f"t{number}": one})
    assert list(await store.outbox.troubles()) == ["t1", "t2"]
