"""Rings when a key of the queue became due in another process.

Called by `postgres`; calls PostgreSQL's LISTEN. A ring that is missed costs no more than the time to the next look.
"""

import asyncio
import contextlib

import psycopg

from controller.workqueue.statements import CHANNEL
from controller.workqueue.wire import PAUSE, Session, connect


class Bell:
    """Listens for as long as it runs, through every restart of PostgreSQL."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake whoever waits."""
        self._rung.set()

    async def wait(self, seconds: float) -> None:
        """Wait for a ring, or so long; rings since the last wait count."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        self._rung.clear()

    async def listen(self) -> None:
        """Listen until cancelled."""
        while True:
            with contextlib.suppress(psycopg.Error):
                session = await connect(self._url)
                try:
                    await self._hear(session)
                finally:
                    await session.close()
            await asyncio.sleep(PAUSE)

    async def _hear(self, session: Session) -> None:
        await session.execute(f"LISTEN {CHANNEL}".encode())
        self.ring()  # for what was missed before
        async for _ in session.notifies():
            self.ring()
