"""Waking those who wait for news of an attempt: its phase, its output, its end.

`executor` waits, `watch` and `executor` ring. Calls nobody.
"""

from __future__ import annotations

import asyncio


class Bell:
    """Who waits, by the name of the attempt."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    def ring(self, name: str) -> None:
        """Wake everybody who waits for news of an attempt."""
        for waiting in self._waiting.pop(name, ()):
            if not waiting.done():
                waiting.set_result(None)

    async def heard(self, name: str, *, within: float | None = None) -> None:
        """Wait for news of an attempt, at most `within` seconds; what is done before the first wait is not missed."""
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        crowd = self._waiting.setdefault(name, set())
        crowd.add(waiting)
        try:
            await asyncio.wait({waiting}, timeout=within)
        finally:
            crowd.discard(waiting)
            if not crowd and self._waiting.get(name) is crowd:
                del self._waiting[name]
