"""What is computed beside the loop holds nobody, and one thing is computed at a time."""

import asyncio
import time

import pytest

from controller.reconcile.aside import Aside

LONG = 0.2


async def test_the_loop_turns_while_something_long_is_computed() -> None:
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.005)
            turns += 1

    turning = asyncio.create_task(turn())
    await Aside().do(lambda: time.sleep(LONG))
    turning.cancel()
    assert turns >= 5


async def test_one_thing_is_computed_at_a_time() -> None:
    aside, at_once, most = Aside(), 0, 0

    def compute() -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        time.sleep(LONG / 10)
        at_once -= 1

    await asyncio.gather(*(aside.do(compute) for _ in range(5)))
    assert most == 1


async def test_what_it_raises_is_raised_and_the_next_is_computed_all_the_same() -> None:
    aside = Aside()
    with pytest.raises(ZeroDivisionError):
        await aside.do(lambda: 1 / 0)
    assert await aside.do(lambda: 1) == 1
