"""Waiting for git: in threads of its own, and not a moment longer than somebody wants to know."""

import asyncio
import threading

import pytest

from controller.errors import SourceError
from controller.source.threads import AT_ONCE, in_thread


async def test_remotes_that_stall_hold_up_nobody_else() -> None:
    begun = threading.Semaphore(0)

    def stall(halt: threading.Event) -> None:
        begun.release()
        halt.wait(30)

    stalled = [asyncio.create_task(in_thread(stall)) for _ in range(AT_ONCE)]
    for _ in stalled:
        assert await asyncio.to_thread(begun.acquire, timeout=10)
    assert await asyncio.to_thread(lambda: "free") == "free"
    for task in stalled:
        task.cancel()
    ended = await asyncio.gather(*stalled, return_exceptions=True)
    assert {type(one) for one in ended} == {asyncio.CancelledError}
    assert await asyncio.wait_for(in_thread(lambda halt: halt.is_set()), 10) is False


async def test_a_disk_that_refuses_is_told_as_such() -> None:
    def work(halt: threading.Event) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(SourceError, match="No space left"):
        await in_thread(work)
