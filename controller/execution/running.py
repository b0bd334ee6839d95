"""One attempt as the daemon holds it while its supervisor lives: who that is, and a way to wait for its end.

`starter` makes one for each attempt it starts, `watch` for each it finds again. It calls `attendant`, `linux` and the event
loop.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Mapping

from controller.execution import linux
from controller.execution.attendant import Attendant
from controller.execution.ledger import Entry
from controller.execution.status import whole

GLANCE = 0.1


class Running:
    """An attempt and its supervisor.

    Args:
        entry: what the ledger says: `id pid start`.
        attendant: the supervisor, when it was started in this life of the daemon.
    """

    def __init__(self, entry: Entry, attendant: Attendant | None = None) -> None:
        self.name = str(entry["id"])
        self.pid = whole(entry["pid"])
        self.started = whole(entry["start"])
        self.attendant = attendant

    def alive(self) -> bool:
        """Say whether exactly this supervisor lives: the number alone may be somebody else's by now."""
        return linux.start_time(self.pid) == self.started

    async def end(self, told: Callable[[], None]) -> Mapping[str, object] | None:
        """Wait until the attempt is over; the record of its end, or None when only its supervisor is known to be gone.

        Args:
            told: called when there is other news of it.
        """
        if self.attendant is not None:
            return await self.attendant.end(told)
        while True:
            try:
                await self._gone()
            except OSError:  # nobody can look now
                await asyncio.sleep(GLANCE)
            else:
                return None

    async def _gone(self) -> None:
        try:
            held = linux.watch(self.pid)
        except ProcessLookupError:
            return
        try:
            if held is not None and self.alive():
                await _readable(held)
        finally:
            if held is not None:
                os.close(held)
        while self.alive():  # noqa: ASYNC110 — a kernel without such descriptors
            await asyncio.sleep(GLANCE)

    def kill(self) -> None:
        """End the supervisor, and not its attempt."""
        linux.tell(self.pid, self.started, signal.SIGKILL)

    def forget(self) -> None:
        """Let go of what is held; the attempt goes on."""
        if self.attendant is not None:
            self.attendant.close()


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    told = loop.create_future()
    loop.add_reader(descriptor, _settle, told)
    try:
        await told
    finally:
        loop.remove_reader(descriptor)


def _settle(told: asyncio.Future[None]) -> None:
    if not told.done():
        told.set_result(None)
