"""A knock at the door of everybody who waits for the next look at a server.

Held by `crew`, rung by `holding` when it knows that there is something to see, waited for by `attempt`, `watch` and `step`.
"""

import asyncio

from controller.clock import Clock


class Knock:
    """Wakes everybody who waits for the next look, when it is known that there is something to see."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._bell = asyncio.Event()

    def ring(self) -> None:
        """Wake everybody."""
        self._bell.set()
        self._bell = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Wait so long at most."""
        waits = [
            asyncio.ensure_future(self._clock.sleep(seconds)),
            asyncio.ensure_future(self._bell.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
