"""Something that several tasks wait for, again and again.

`streams` and `talks` wait with it for bytes, room and the end. asyncio's own conditions need a lock, and events stay set.
"""

from __future__ import annotations

import asyncio


class Bell:
    """Wakes all who wait; who comes later waits for the next time."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    async def wait(self) -> None:
        """Wait until it rings."""
        ring = asyncio.get_running_loop().create_future()
        self._waiting.add(ring)
        try:
            await ring
        finally:
            self._waiting.discard(ring)

    def ring(self) -> None:
        """Wake all who wait now."""
        for one in self._waiting:
            if not one.done():
                one.set_result(None)
