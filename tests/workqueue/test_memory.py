"""The queue in memory against a model of its laws, and what only its clock can show."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from controller.errors import StateError
from controller.workqueue import memory
from controller.workqueue.memory import MemoryQueue
from controller.workqueue.port import Claim
from tests.fakes.clocks import START, FakeClock

T = TypeVar("T")

KEYS = st.sampled_from("abcd")
TIMES = st.sampled_from((0.0, 1.0, 5.0, 30.0))
PRIORITIES = st.integers(-2, 2)


@dataclass
class Modelled:
    """One key as the laws have it."""

    due: datetime | None = None
    priority: int = 0
    fails: int = 0
    owner: Claim | None = None

    def add(self, due: datetime, priority: int) -> None:
        self.priority = priority if self.due is None else max(self.priority, priority)
        self.due = due if self.due is None else min(self.due, due)


class Laws(RuleBasedStateMachine):
    """Every order of adds, takes, ends and time."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = FakeClock()
        self.queue = MemoryQueue(self.clock)
        self.model = {key: Modelled() for key in "abcd"}
        self.ended: list[Claim] = []

    def teardown(self) -> None:
        self.run(self.queue.close())
        self.loop.close()

    def run(self, what: Coroutine[object, object, T]) -> T:
        return self.loop.run_until_complete(what)

    @rule(key=KEYS, after=TIMES, priority=PRIORITIES)
    def add(self, key: str, after: float, priority: int) -> None:
        self.run(self.queue.add(key, after=after, priority=priority))
        self.model[key].add(self.clock.now() + timedelta(seconds=after), priority)

    @rule(seconds=TIMES)
    def let_time_pass(self, seconds: float) -> None:
        self.run(self.clock.advance(seconds))

    @rule(seconds=st.sampled_from((-60, -3, 3, 60)))
    def set_the_clock(self, seconds: int) -> None:
        self.clock.set(self.clock.now() + timedelta(seconds=seconds))

    @rule()
    def take(self) -> None:
        claim = self.run(self.try_to_take())
        now = self.clock.now()
        ready = {
            key: one
            for key, one in self.model.items()
            if one.owner is None and one.due is not None and one.due <= now
        }
        if not ready:
            assert claim is None
            return
        assert claim is not None
        mine = ready[claim.key]
        assert (claim.fails, claim.priority) == (mine.fails, mine.priority)
        assert (-mine.priority, mine.due) == min((-one.priority, one.due) for one in ready.values())
        mine.owner, mine.due = claim, None

    async def try_to_take(self) -> Claim | None:
        taking = asyncio.create_task(self.queue.take())
        for _ in range(4):
            await asyncio.sleep(0)
        if taking.done():
            return taking.result()
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        return None

    @precondition(lambda self: any(one.owner for one in self.model.values()))
    @rule(data=st.data(), after=st.none() | TIMES)
    def end(self, data: st.DataObject, after: float | None) -> None:
        owned = [one for one in self.model.values() if one.owner]
        mine = data.draw(st.sampled_from(owned))
        claim = mine.owner
        assert claim is not None
        if after is None:
            self.run(self.queue.done(claim))
            mine.fails = 0
        else:
            self.run(self.queue.back(claim, after=after))
            mine.fails += 1
            mine.add(self.clock.now() + timedelta(seconds=after), claim.priority)
        mine.owner = None
        self.ended.append(claim)
        self.run(asyncio.wait_for(self.queue.lost(claim), 1))

    @precondition(lambda self: self.ended)
    @rule(data=st.data())
    def say_it_twice(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(self.ended))
        self.run(self.queue.done(claim))
        self.run(self.queue.back(claim, after=0))

    @rule(key=KEYS)
    def drop(self, key: str) -> None:
        self.run(self.queue.drop(key))
        mine = self.model[key]
        mine.due = None
        if mine.owner is None:
            mine.fails = 0

    @invariant()
    def what_waits_is_what_the_laws_say(self) -> None:
        found = {one.key: (one.due, one.fails, one.owned) for one in self.run(self.queue.waiting())}
        for key, one in self.model.items():
            if one.due is None and one.owner is None:
                assert key not in found
            else:
                assert found[key] == (one.due, one.fails, one.owner is not None)


Laws.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestLaws = Laws.TestCase


async def test_who_waits_is_woken_when_the_time_has_come() -> None:
    clock = FakeClock()
    queue = MemoryQueue(clock)
    await queue.add("a", after=3600)
    taker = asyncio.create_task(queue.take())
    await clock.advance(3599)
    assert not taker.done()
    await clock.advance(1)
    assert taker.done()
    assert clock.now() == START + timedelta(hours=1)


async def test_a_clock_that_was_set_forward_is_seen_within_a_minute() -> None:
    clock = FakeClock()
    queue = MemoryQueue(clock)
    await queue.add("a", after=3600)
    taker = asyncio.create_task(queue.take())
    await clock.advance(1)
    clock.set(START + timedelta(hours=2))
    await clock.advance(memory.LOOK)
    assert taker.done()


async def test_an_add_again_and_again_takes_no_memory() -> None:
    queue = MemoryQueue(FakeClock())
    for _ in range(100):
        await queue.add("a", after=60)
        await queue.add("b")
    assert len(queue._later) + len(queue._ready) == 2


async def test_what_is_woken_before_its_time_again_and_again_takes_no_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "PASSED", 10)
    queue = MemoryQueue(FakeClock())
    for key in "bc":
        await queue.add(key, after=60)
    for _ in range(100):
        await queue.add("a", after=86_400)  # such as a target whose window opens tomorrow
        await queue.add("a")  # and a commit
        claim = await queue.take()
        assert claim.key == "a"
        await queue.done(claim)
    await queue.add("a", after=86_400)
    assert len(queue._later) <= 2 * 3 + 10 + 1
    assert [one.key for one in await queue.waiting()] == ["b", "c", "a"]


async def test_a_full_queue_refuses_a_further_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "KEYS", 2)
    queue = MemoryQueue(FakeClock())
    for key in "aba":
        await queue.add(key)
    with pytest.raises(StateError, match="2 keys wait already"):
        await queue.add("c")
    await queue.done(await queue.take())
    await queue.add("c")
