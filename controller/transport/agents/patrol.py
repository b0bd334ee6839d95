"""The patrol: looks every few seconds whether somebody who is connected was revoked since.

Run by `dialer` and `listener` while they have connections; it calls `papers`.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from controller.clock import Clock
from controller.errors import ControllerError
from controller.transport.agents.papers import Papers
from controller.transport.agents.peer import AgentPeer

ROUND: Final = 10.0
"""Seconds between looks: a revocation acts within 30."""


class Patrol:
    """Closes connections whose certificate is accepted no more.

    Args:
        papers: knows what was revoked.
        clock: for waiting.
        peers: who is connected now.
    """

    def __init__(
        self, papers: Papers, clock: Clock, peers: Callable[[], Iterable[AgentPeer]]
    ) -> None:
        self._papers = papers
        self._clock = clock
        self._peers = peers
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, once."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._walk())

    def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _walk(self) -> None:
        before: frozenset[str] = frozenset()
        while True:
            await self._clock.sleep(ROUND)
            try:
                denied = self._papers.denied()
            except ControllerError:
                continue  # new connections are refused meanwhile; these were good when it could be read
            if denied != before:
                before = denied
                for peer in list(self._peers()):
                    peer.revoke(denied)
