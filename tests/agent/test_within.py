"""A bound of time: what comes in time, what does not, and who is cancelled in the moment that it comes."""

import asyncio

import pytest

from controller.agent.within import within


async def test_what_ends_in_time_is_given() -> None:
    assert await within(5, asyncio.sleep(0, "done")) == "done"


async def test_what_fails_in_time_fails() -> None:
    async def fail() -> None:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        await within(5, fail())


async def test_what_takes_longer_is_cancelled_and_has_ended() -> None:
    ended = []

    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            ended.append(1)

    with pytest.raises(asyncio.TimeoutError):
        await within(0.01, slow())
    assert ended == [1]


async def test_who_is_cancelled_in_the_moment_that_it_ends_is_cancelled() -> None:
    done = asyncio.Event()
    task = asyncio.create_task(within(5, done.wait()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    done.set()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task}, timeout=1)
    assert task.cancelled()


async def test_who_is_cancelled_leaves_nothing_running() -> None:
    inner = asyncio.ensure_future(asyncio.sleep(60))
    task = asyncio.create_task(within(5, inner))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task}, timeout=1)
    assert task.cancelled()
    assert inner.cancelled()
