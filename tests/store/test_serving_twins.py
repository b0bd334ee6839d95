"""The same history of what a serving controller keeps reads back the same on memory and on SQLite."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from controller.errors import ControllerError
from controller.model.notice import Delivery
from controller.store import bounds
from controller.store.memory import MemoryStore
from controller.store.ports import Store
from controller.store.sqlite import open_store
from tests.fakes.clocks import FakeClock
from tests.store.shelf import NOW
from tests.store.test_serving import CONTACT, PART, TOKEN, due_at
from tests.store.test_talk import ANSWERED, TROUBLE, letter_at

Step = tuple[str, int, int]
KINDS = [
    "token",
    "revoke",
    "use",
    "beat",
    "contact",
    "forget",
    "due",
    "mark",
    "swap",
    "unmark",
    "news",
    "reserve",
    "complete",
    "drop",
    "post",
    "settle",
    "trouble",
    "over",
]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.integers(0, 4),
        st.integers(0, 4),
    ),
    max_size=30,
)


async def take(store: Store, step: Step) -> object:
    """Take one step; what it answers, or how it is refused, is the result."""
    try:
        return await (known(store, step) or said(store, step))
    except ControllerError as error:
        return type(error)


def known(store: Store, step: Step) -> Awaitable[object] | None:
    """Take a step of what is known."""
    kind, one, two = step
    later = NOW + timedelta(hours=one)
    token = replace(TOKEN, id=f"t{one}", created_at=later, expires_at=later + timedelta(hours=two))
    steps: dict[str, Callable[[], Awaitable[object]]] = {
        "token": lambda: store.tokens.add(token),
        "revoke": lambda: store.tokens.change(token, replace(token, revoked_at=NOW)),
        "use": lambda: store.tokens.used(token.id, later, f"p{two}"),
        "beat": lambda: store.parts.beat(
            replace(PART, instance=f"i{one}", seen_at=NOW + timedelta(hours=9 * two))
        ),
        "contact": lambda: store.contacts.put([replace(CONTACT, server=f"s{one}", failures=two)]),
        "forget": lambda: store.contacts.forget([f"s{one}", f"s{two}"]),
        "due": lambda: store.dues.claim(due_at(one * 5 + two)),
        "mark": lambda: store.marks.put(f"m{one}", f"{two}"),
        "swap": lambda: store.marks.swap(f"m{one}", f"{two}" if two else None, f"{one}"),
        "unmark": lambda: store.marks.swap(f"m{one}", f"{two}", None),
    }
    return steps[kind]() if kind in steps else None


def said(store: Store, step: Step) -> Awaitable[object]:
    """Take a step of what is said."""
    kind, one, two = step
    answered = replace(ANSWERED, key=f"k{one}", at=NOW + timedelta(hours=7 * two))
    letter = letter_at(5 * one + two)
    steps: dict[str, Callable[[], Awaitable[object]]] = {
        "news": lambda: store.newsroom.append(
            NOW, [("job", f"j{n}", {"n": n}) for n in range(one)]
        ),
        "reserve": lambda: store.answers.reserve(answered),
        "complete": lambda: store.answers.complete(replace(answered, status=202)),
        "drop": lambda: store.answers.drop(answered.key, answered.caller),
        "post": lambda: store.outbox.post([letter, letter_at(one)], troubles={}),
        "settle": lambda: store.outbox.put([replace(letter, state=Delivery.SENT)]),
        "trouble": lambda: store.outbox.post(
            [], troubles={f"x{one}": replace(TROUBLE, since=NOW + timedelta(hours=two))}
        ),
        "over": lambda: store.outbox.post([], troubles={f"x{one}": None}),
    }
    return steps[kind]()


async def everything(store: Store) -> list[object]:
    """Read all there is, each in its order."""
    return [
        await store.tokens.all(),
        await store.parts.all(),
        list((await store.contacts.all()).items()),
        await store.dues.list("shop", limit=100),
        list((await store.marks.prefixed("m")).items()),
        await store.newsroom.after(0),
        await store.newsroom.ends(),
        await store.outbox.list(limit=100),
        await store.outbox.waiting(NOW + timedelta(days=1)),
        await store.outbox.next_due(),
        list((await store.outbox.troubles()).items()),
    ]


@settings(deadline=None, max_examples=40)
@given(history=STEPS)
def test_twins(tmp_path_factory: pytest.TempPathFactory, history: list[Step]) -> None:
    folder: Path = tmp_path_factory.mktemp("twins") / ".ctl"

    async def go() -> None:
        memory, sqlite = MemoryStore(), open_store(folder, clock=FakeClock())
        for step in history:
            assert await take(memory, step) == await take(sqlite, step), step
        assert await everything(memory) == await everything(sqlite)
        await sqlite.close()
        again = open_store(folder, clock=FakeClock())
        assert await everything(memory) == await everything(again)
        await again.close()

    with pytest.MonkeyPatch.context() as patch:
        for name in ("TOKENS", "PARTS", "DUES", "MARKS", "NEWS", "ANSWERS", "LETTERS", "TROUBLES"):
            patch.setattr(bounds, name, 3)
        asyncio.run(go())
