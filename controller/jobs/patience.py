"""Waiting for work until it is done, somebody halts, or the time is over.

Called by `driving`. Ending the wait cancels only what waits here, never work on a server.
"""

import asyncio

from controller.clock import Clock


async def wait_until(
    work: asyncio.Task[None], halt: asyncio.Event, clock: Clock, within: float | None
) -> bool:
    """Wait for work; true when it is done, false when it was given up.

    Args:
        work: the task that waits for servers.
        halt: somebody wants the waiting to end.
        clock: measures the time-out.
        within: seconds, None for no limit.
    """
    waits = [asyncio.create_task(_flag(halt))]
    if within is not None:
        waits.append(asyncio.create_task(_sleep(clock, within)))
    try:
        await asyncio.wait({work, *waits}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
            return True
        return False
    finally:
        for task in (work, *waits):
            task.cancel()
        await asyncio.gather(work, *waits, return_exceptions=True)


async def _flag(halt: asyncio.Event) -> None:
    await halt.wait()


async def _sleep(clock: Clock, seconds: float) -> None:
    await clock.sleep(seconds)
