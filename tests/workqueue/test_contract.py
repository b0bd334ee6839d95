"""What every queue promises, held against both adapters."""

import asyncio
import math
import random
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from controller.errors import ControllerError, StateError
from controller.workqueue.port import KEY_LENGTH, LONGEST, Claim, Queue

MOMENT = 0.15


async def taken(queue: Queue, seconds: float = 5.0) -> Claim:
    async with asyncio.timeout(seconds):
        return await queue.take()


async def nothing_comes(queue: Queue, seconds: float = MOMENT) -> bool:
    try:
        await taken(queue, seconds)
    except TimeoutError:
        return True
    return False


async def test_a_key_that_was_added_is_taken_once(queue: Queue) -> None:
    await queue.add("server/web-01")
    claim = await taken(queue)
    assert (claim.key, claim.fails) == ("server/web-01", 0)
    await queue.done(claim)
    assert await nothing_comes(queue)
    assert await queue.waiting() == ()


async def test_ten_adds_of_a_waiting_key_are_one_run(queue: Queue) -> None:
    for _ in range(10):
        await queue.add("config")
    await queue.done(await taken(queue))
    assert await nothing_comes(queue)


async def test_adds_while_a_key_is_worked_on_are_exactly_one_more_run(queue: Queue) -> None:
    await queue.add("config")
    first = await taken(queue)
    for _ in range(10):
        await queue.add("config")
    assert await nothing_comes(queue)  # never twice at once
    await queue.done(first)
    second = await taken(queue, 1)
    assert second.token > first.token
    await queue.done(second)
    assert await nothing_comes(queue)


async def test_who_waits_is_woken_by_an_add(queue: Queue) -> None:
    took = []
    for _ in range(4):
        taker = asyncio.create_task(queue.take())
        await asyncio.sleep(MOMENT)
        began = time.monotonic()
        await queue.add("config")
        claim = await asyncio.wait_for(taker, 10)
        took.append(time.monotonic() - began)
        await queue.done(claim)
    assert min(took) < 0.2  # sooner than the next look without a bell


async def test_the_earliest_due_time_wins_in_either_order(queue: Queue) -> None:
    await queue.add("a", after=60)
    await queue.add("a", after=0)
    await queue.add("b", after=0)
    await queue.add("b", after=60)
    assert {(await taken(queue)).key, (await taken(queue)).key} == {"a", "b"}


async def test_a_key_is_not_taken_before_it_is_due(queue: Queue) -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await queue.add("a", after=0.3)
    await taken(queue)
    assert 0.29 < loop.time() - begun < 2


async def test_the_highest_priority_is_taken_first_then_what_was_due_first(queue: Queue) -> None:
    for key, priority in (("low", -5), ("first", 0), ("second", 0), ("high", 7), ("raised", 0)):
        await queue.add(key, priority=priority)
        await asyncio.sleep(0.002)
    await queue.add("raised", priority=9)
    await queue.add("high", priority=1)
    claims = [await taken(queue) for _ in range(5)]
    assert [claim.key for claim in claims] == ["raised", "high", "first", "second", "low"]
    assert [claim.priority for claim in claims] == [9, 7, 0, 0, -5]


async def test_what_is_not_due_yet_holds_up_nothing_whatever_its_priority(queue: Queue) -> None:
    await queue.add("later", after=60, priority=100)
    await queue.add("now")
    assert (await taken(queue)).key == "now"


async def test_a_key_given_back_comes_again_later_and_counts_its_failures(queue: Queue) -> None:
    await queue.add("a", priority=3)
    for fails in range(3):
        claim = await taken(queue)
        assert (claim.fails, claim.priority) == (fails, 3)
        await queue.back(claim, after=0.05)
    claim = await taken(queue)
    assert claim.fails == 3
    await queue.done(claim)
    await queue.add("a")
    assert (await taken(queue)).fails == 0


async def test_of_a_back_off_and_an_add_the_earlier_wins(queue: Queue) -> None:
    await queue.add("a")
    claim = await taken(queue)
    await queue.add("a")
    await queue.back(claim, after=60)
    again = await taken(queue)
    assert again.fails == 1
    await queue.add("a", after=60)
    await queue.back(again, after=0)
    third = await taken(queue)
    assert third.fails == 2
    await queue.back(third, after=60)
    await queue.add("a")
    assert (await taken(queue)).fails == 3


async def test_an_add_while_worked_on_has_a_priority_of_its_own(queue: Queue) -> None:
    await queue.add("a", priority=9)
    claim = await taken(queue)
    await queue.add("a", priority=-2)
    await queue.done(claim)
    assert (await taken(queue)).priority == -2


async def test_what_is_said_of_a_claim_a_second_time_changes_nothing(queue: Queue) -> None:
    await queue.add("a")
    first = await taken(queue)
    await queue.add("a")
    await queue.done(first)
    second = await taken(queue)
    await queue.done(first)
    await queue.back(first, after=0)
    assert await nothing_comes(queue)
    (still,) = await queue.waiting()
    assert (still.key, still.owned, still.due) == ("a", True, None)
    await queue.back(second, after=0)
    assert (await taken(queue)).fails == 1


async def test_whoever_asks_hears_that_a_claim_has_ended(queue: Queue) -> None:
    await queue.add("a")
    await queue.add("b")
    one, other = await taken(queue), await taken(queue)
    waits = [asyncio.create_task(queue.lost(claim)) for claim in (one, other)]
    await asyncio.sleep(MOMENT)
    assert not any(wait.done() for wait in waits)
    await queue.done(one)
    await queue.back(other, after=60)
    async with asyncio.timeout(5):
        await asyncio.gather(*waits)
        await queue.lost(one)


async def test_a_dropped_key_is_forgotten_but_work_goes_on(queue: Queue) -> None:
    await queue.add("a")
    await queue.add("b")
    await queue.drop("a")
    await queue.drop("never")
    claim = await taken(queue)
    assert claim.key == "b"
    await queue.add("b")
    await queue.drop("b")
    (waiting,) = await queue.waiting()
    assert waiting.owned
    await queue.done(claim)
    assert await nothing_comes(queue)
    await queue.add("a")
    assert (await taken(queue)).key == "a"


async def test_what_waits_is_listed_first_what_is_due_first(queue: Queue) -> None:
    before = datetime.now(UTC)
    await queue.add("later", after=60)
    await queue.add("owned", priority=1)
    claim = await taken(queue)
    await queue.add("soon", after=30)
    await queue.add("again", after=40)
    found = await queue.waiting()
    assert [(one.key, one.owned) for one in found] == [
        ("soon", False),
        ("again", False),
        ("later", False),
        ("owned", True),
    ]
    assert found[0].due is not None
    assert abs(found[0].due - before - timedelta(seconds=30)) < timedelta(seconds=5)
    assert found[3].due is None
    await queue.done(claim)


async def test_whoever_goes_away_while_waiting_takes_nothing_with_him(queue: Queue) -> None:
    takers = [asyncio.create_task(queue.take()) for _ in range(20)]
    await asyncio.sleep(MOMENT)
    adds = [asyncio.create_task(queue.add(f"k{number}")) for number in range(20)]
    for taker in takers:
        await asyncio.sleep(random.uniform(0, 0.003))  # noqa: S311  # any moment will do
        taker.cancel()
    await asyncio.gather(*adds)
    got = {taker.result().key for taker in takers if await finished(taker)}
    while len(got) < 20:
        claim = await taken(queue)
        assert claim.key not in got
        got.add(claim.key)


async def finished(taker: asyncio.Task[Claim]) -> bool:
    try:
        await taker
    except asyncio.CancelledError:
        return False
    return True


async def test_under_load_no_key_runs_twice_at_once_and_no_add_is_lost(queue: Queue) -> None:
    """Each add raises a number; each run reads it; at the end every number was read after its last rise."""
    keys = [f"k{number}" for number in range(7)]
    raised, read, running, runs = Counter[str](), Counter[str](), Counter[str](), Counter[str]()

    async def adder() -> None:
        for _ in range(40):
            key = random.choice(keys)  # noqa: S311  # any order will do
            raised[key] += 1
            await queue.add(key, after=random.choice((0, 0, 0.01)))  # noqa: S311

    async def worker() -> None:
        while True:
            claim = await queue.take()
            running[claim.key] += 1
            assert running[claim.key] == 1
            runs[claim.key] += 1
            seen = raised[claim.key]
            await asyncio.sleep(0.001)
            read[claim.key] = seen
            running[claim.key] -= 1
            if runs[claim.key] % 5:
                await queue.done(claim)
            else:
                await queue.back(claim, after=0.01)

    workers = [asyncio.create_task(worker()) for _ in range(5)]
    await asyncio.gather(*(adder() for _ in range(5)))
    async with asyncio.timeout(20):
        while raised != read or await queue.waiting():  # noqa: ASYNC110  # the queue is asked, too
            await asyncio.sleep(0.02)
    for one in workers:
        one.cancel()
    results = await asyncio.gather(*workers, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results), results


@pytest.mark.parametrize(
    ("key", "after", "priority"),
    [
        ("", 0, 0),
        ("x" * (KEY_LENGTH + 1), 0, 0),
        ("a\nb", 0, 0),
        ("a\x00", 0, 0),
        ("\udcff", 0, 0),
        ("a", -1, 0),
        ("a", math.nan, 0),
        ("a", math.inf, 0),
        ("a", LONGEST + 1, 0),
        ("a", 0, 10**9),
    ],
)
async def test_what_is_no_key_no_time_or_no_priority_is_refused(
    queue: Queue, key: str, after: float, priority: int
) -> None:
    with pytest.raises(ControllerError, match="cannot"):
        await queue.add(key, after=after, priority=priority)
    assert await queue.waiting() == ()


async def test_a_closed_queue_says_so_to_those_who_wait_and_who_come(queue: Queue) -> None:
    taker = asyncio.create_task(queue.take())
    await asyncio.sleep(0.05)
    await queue.close()
    await queue.close()
    for attempt in (taker, queue.take(), queue.add("a")):
        with pytest.raises(StateError, match="closed"):
            await attempt
