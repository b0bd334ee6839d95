"""Bringing one attempt from `accepted` to `started`, in the order that lets it start at most once.

The supervisor has the attempt, and forks the command, which waits at its barrier; `started` goes to the disk meanwhile; only
then the barrier opens. `executor` calls it; it calls `launch`, `pool` and the ledger.
"""

from __future__ import annotations

import asyncio

from controller.execution import clock
from controller.execution.groups import Groups
from controller.execution.holding import Holding, hold
from controller.execution.launch import Launch, lay_files
from controller.execution.ledger import Entry
from controller.execution.login import Login, Logins
from controller.execution.pool import Pool
from controller.execution.register import Register
from controller.execution.running import Running
from controller.execution.spawner import Spawner
from controller.execution.spec import Limits, Spec


class Starter:
    """Starts attempts of one room.

    Args:
        register: of the room.
        groups: where cgroups may be made, if anywhere.
    """

    def __init__(self, register: Register, groups: Groups | None) -> None:
        self.pool = Pool(
            Spawner(register.folders.trouble, group=None if groups is None else groups.supervisors)
        )
        self._register = register
        self._groups = groups
        self._logins = Logins()

    async def open(self) -> None:
        """Make ready.

        Raises:
            FullError: there is no room for another process.
        """
        await self.pool.open()

    def close(self) -> None:
        """Start nothing more; what runs goes on."""
        self.pool.close()

    async def check(self, spec: Spec) -> None:
        """Refuse limits that nothing here can hold.

        Raises:
            NoLimitsError: there is such a limit.
            RefusedError: its user is not here.
        """
        if spec.limits != Limits():
            self._hold(spec, await self._logins.find(spec.user))

    async def start(self, spec: Spec) -> Running:
        """Start an accepted attempt.

        Raises:
            FullError: there is no room for it now, and nothing of it has run.
            ExecutionError, OSError: it cannot be started, and nothing of it has run.
        """
        folders, register = self._register.folders, self._register
        login = await self._logins.find(spec.user)
        if spec.files:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, lay_files, spec, folders, login)
        launch = Launch(spec, folders, self._groups, login, self._hold(spec, login))
        attendant = await self.pool.hand(launch.handed)
        try:
            record: Entry = {
                "id": spec.id,
                "event": "started",
                "boot": register.boot,
                "group": launch.group,
                "means": launch.means,
                "started_at": clock.wall(),
                "pid": attendant.pid,
                "start": attendant.started,
            }
            await register.ledger.append(record)
            await attendant.release()
        except BaseException:
            attendant.close()  # the barrier stays shut for ever
            raise
        return Running(record, attendant)

    def _hold(self, spec: Spec, login: Login) -> Holding:
        return hold(spec.limits, self._groups, login=login, jobs=self._register.folders.jobs)
