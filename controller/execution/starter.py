"""Bringing one attempt from `accepted` to `started`, in the order that lets it start at most once.

The supervisor has forked the command, which waits at its barrier; `started` goes to the disk; only then the barrier opens.
`executor` calls it; it calls `launch`, `spawner` and the ledger.
"""

from __future__ import annotations

import asyncio
import socket

from controller.execution import clock
from controller.execution.errors import FullError
from controller.execution.groups import Groups
from controller.execution.launch import Launch
from controller.execution.ledger import Entry
from controller.execution.lines import decode
from controller.execution.register import Register
from controller.execution.running import Running
from controller.execution.spawner import Spawner
from controller.execution.spec import Spec


class Starter:
    """Starts attempts of one room.

    Args:
        register: of the room.
        groups: where cgroups may be made, if anywhere.
    """

    def __init__(self, register: Register, groups: Groups | None) -> None:
        self._register = register
        self._groups = groups
        self._spawner = Spawner(
            register.folders.trouble, group=None if groups is None else groups.supervisors
        )

    def open(self) -> None:
        """Make ready.

        Raises:
            FullError: there is no room for another process.
        """
        self._spawner.open()

    def close(self) -> None:
        """Start nothing more; what runs goes on."""
        self._spawner.close()

    async def start(self, spec: Spec) -> Running:
        """Start an accepted attempt.

        Raises:
            ExecutionError, OSError: it could not be started, and nothing of it has run.
        """
        loop = asyncio.get_running_loop()
        folders = self._register.folders
        launch = await loop.run_in_executor(None, Launch, spec, folders, self._groups)
        control = None
        try:
            control = await self._spawner.spawn(launch.descriptors)
            await loop.sock_sendall(control, launch.plan)
            record: Entry = {
                "id": spec.id,
                "event": "started",
                "boot": self._register.boot,
                "group": launch.group,
                "means": launch.means,
                "started_at": clock.wall(),
                **await self._report(control),
            }
            await self._register.ledger.append(record)
            await loop.sock_sendall(control, b"g")
        except BaseException:
            if control is not None:
                control.close()  # the barrier stays shut for ever
            launch.abandon()
            raise
        finally:
            launch.close()
        return Running(record, control)

    async def _report(self, control: socket.socket) -> dict[str, object]:
        said = b""
        while not said.endswith(b"\n"):
            part = await asyncio.get_running_loop().sock_recv(control, 4096)
            if not part:
                raise FullError(f"cannot start a supervisor: {self._trouble()}")
            said += part
        return decode(said) or {}

    def _trouble(self) -> str:
        try:
            return self._register.folders.trouble.read_text(errors="replace").splitlines()[-1]
        except (OSError, IndexError):
            return "no room for another process"
