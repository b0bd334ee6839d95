"""A bound of time that loses no cancelling.

`asyncio.wait_for` of Python before 3.12 forgets that it was cancelled where what it waits for has just ended (gh-86296), and
`asyncio.timeout` came with 3.11; the agent runs on older ones.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

_Done = TypeVar("_Done")


async def within(seconds: float, doing: Awaitable[_Done]) -> _Done:
    """Wait for something for so long at most; what is not over by then, or when nobody waits any more, is cancelled.

    Raises:
        asyncio.TimeoutError: it is not over.
    """
    task = asyncio.ensure_future(doing)
    try:
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            raise asyncio.TimeoutError
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
