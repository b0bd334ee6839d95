"""Computing beside the event loop, for what takes long with thousands of servers: planning, and summing up.

Called by the steps of the walk and by `status`. One thing is computed at a time: the loop shares the interpreter with one thread then,
and gets it back within milliseconds, however many decisions are due at once.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Aside:
    """A thread for what is pure and long; one for all rooms of a process."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def do(self, compute: Callable[[], T]) -> T:
        """Compute something that changes nothing anybody else sees; raises what it raises."""
        async with self._turn:
            return await asyncio.to_thread(compute)
