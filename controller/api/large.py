"""Large bodies: few are read at once, and strangers who send theirs slowly keep nobody else's out.

Called by the gate. What fits into the bound of every other body waits for nothing. Of the rest each address without a token has one
at a time, and all of those together only some, so that there is always room for who is known.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final
from weakref import WeakValueDictionary

from controller.api.body import Headers, header
from controller.api.call import Call
from controller.api.rates import crowd_of

LARGE_AT_ONCE: Final = 4
"""Large bodies that are read at the same time; the others wait."""
OF_STRANGERS: Final = 2
"""How many of them may be those of strangers."""


class Large:
    """Room for large bodies.

    Args:
        small: bytes of a body that needs none.
    """

    def __init__(self, small: int) -> None:
        self._small = small
        self._all = asyncio.Semaphore(LARGE_AT_ONCE)
        self._strangers = asyncio.Semaphore(OF_STRANGERS)
        self._crowds: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def room(self, call: Call, headers: Headers) -> AsyncIterator[None]:
        """Wait until the body of a request may be read."""
        async with AsyncExitStack() as stack:
            if call.route.large and self._is_large(headers):
                if call.actor.role is None:
                    crowd = self._crowds.setdefault(crowd_of(call.place), asyncio.Lock())
                    await stack.enter_async_context(crowd)
                    await stack.enter_async_context(self._strangers)
                await stack.enter_async_context(self._all)
            yield

    def _is_large(self, headers: Headers) -> bool:
        """Say whether a body is large; one in chunks may be."""
        told = header(headers, b"content-length")
        chunks = header(headers, b"transfer-encoding") is not None
        return chunks if told is None else int(told) > self._small
