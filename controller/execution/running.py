"""One attempt as the daemon holds it while its supervisor lives: who that is, and a way to wait for its end.

`executor` makes one for each attempt that runs, started here or found again. It calls `linux` and the event loop.
"""

from __future__ import annotations

import asyncio
import os
import socket

from controller.execution import linux
from controller.execution.cgroup import Group
from controller.execution.ledger import Entry
from controller.execution.processes import Processes
from controller.execution.status import whole

GLANCE = 0.1


class Running:
    """An attempt and its supervisor.

    Args:
        entry: what the ledger says: `id pid start leader leader_start group`.
        control: the socket to the supervisor, when it was started in this life of the daemon.
    """

    def __init__(self, entry: Entry, control: socket.socket | None = None) -> None:
        self.name = str(entry["id"])
        self.pid = whole(entry["pid"])
        self.started = whole(entry["start"])
        self._session = (whole(entry["leader"]), whole(entry["leader_start"]))
        self._group = Group(str(entry["group"])) if entry["group"] else None
        self._control = control

    def alive(self) -> bool:
        """Say whether exactly this supervisor lives: the number alone may be somebody else's by now."""
        return linux.start_time(self.pid) == self.started

    async def gone(self) -> None:
        """Wait until the supervisor is gone."""
        if self._control is not None:
            await _readable(self._control.fileno())
            self._control.close()
            self._control = None
            return
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

    def orphans(self) -> Processes:
        """Give the processes of the attempt when its supervisor is gone."""
        return Processes(self.name, self._group, ancestor=0, session=self._session)

    def forget(self) -> None:
        """Let go of what is held; the attempt goes on."""
        if self._control is not None:
            self._control.close()
            self._control = None


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
