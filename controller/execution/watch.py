"""Watching every supervisor of a room: seeing it go, reading how its attempt ended, and writing that down.

Supervisors found after a restart are known by number, start time and boot, never by the number alone. `executor` calls it;
it calls `register`, `running` and `takedown`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from controller.execution import clock
from controller.execution.attendant import Attendant
from controller.execution.bell import Bell
from controller.execution.cgroup import Group
from controller.execution.ending import Ending
from controller.execution.errors import RefusedError
from controller.execution.processes import Processes
from controller.execution.register import Register
from controller.execution.running import Running
from controller.execution.status import End, read_end
from controller.execution.takedown import TICK, Takedown

TOLD = 5.0


class Watch:
    """The supervisors that live.

    Args:
        register: of the room.
        bell: rung when there is news of an attempt.
        free: takes the supervisors whose attempts are over.
    """

    def __init__(
        self, register: Register, bell: Bell, *, free: Callable[[Attendant], None]
    ) -> None:
        self._register = register
        self._bell = bell
        self._free = free
        self._running: dict[str, Running] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return len(self._running)

    @property
    def names(self) -> frozenset[str]:
        """Name the attempts that run."""
        return frozenset(self._running)

    def add(self, running: Running) -> None:
        """Watch a supervisor from now on."""
        self._running[running.name] = running
        self._tasks[running.name] = asyncio.ensure_future(self._follow(running))

    def find(self, name: str) -> Running | None:
        """Give an attempt that runs; None when it does not."""
        return self._running.get(name)

    def get(self, name: str) -> Running:
        """Give an attempt that runs.

        Raises:
            RefusedError: it does not.
        """
        running = self._running.get(name)
        if running is None:
            raise RefusedError(f"cannot reach {name}: it does not run")
        return running

    async def news(
        self, name: str, *, within: float, beyond: int | None = None, most: float | None = None
    ) -> None:
        """Wait for news of an attempt: that it is over, held or let go on, or has more output than `beyond`.

        Args:
            name: of the attempt.
            within: seconds after which to look again where no supervisor tells us, as after a restart.
            beyond: bytes of output that are known; None is whatever there is.
            most: seconds after which to look again anyway, 5 if none are given: a word could be lost when its socket is full.
        """
        running = self._running.get(name)
        attendant = running.attendant if running is not None else None
        if attendant is not None:
            within = TOLD if most is None else most
            if beyond is not None:
                attendant.ask(beyond)
        await self._bell.heard(name, within=within)

    async def settle(self, name: str) -> None:
        """Find out what became of an attempt while no daemon was there, and write it down or watch it."""
        register, entry = self._register, self._register.entry(name)
        if entry["event"] == "accepted":
            await register.unstarted(
                name, Ending.UNSTARTED, "the agent ended before it was started"
            )
            return
        same_boot = entry["boot"] == register.boot
        running = Running(entry)
        end = register.exit_of(name)
        if end is None and same_boot and running.alive():
            self.add(running)
            return
        end = end or register.exit_of(name)  # it may have ended between the two looks
        if end is not None:
            await register.end(name, end)
        elif same_boot:
            await self._interrupt(running)
        else:
            await register.interrupted(name, "the machine was started anew")

    async def close(self) -> None:
        """Watch nothing more; attempts go on."""
        tasks, running = list(self._tasks.values()), list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for one in running:
            one.forget()

    async def _follow(self, running: Running) -> None:
        name = running.name
        try:
            said = await running.end(lambda: self._bell.ring(name))
            if running.attendant is not None:
                self._free(running.attendant)
            end = await self._exit_of(name) if said is None else read_end(said)
            if end is None:
                await self._interrupt(running)
            else:
                await self._register.end(name, end)
        finally:
            self._running.pop(name, None)
            self._tasks.pop(name, None)
            self._bell.ring(name)

    async def _exit_of(self, name: str) -> End | None:
        while True:
            try:
                return self._register.exit_of(name)
            except OSError:  # out of descriptors: to take it for lost would be a lie
                await asyncio.sleep(TICK)

    async def _interrupt(self, running: Running) -> None:
        """Nobody looks after an attempt any more: end what is left of it, for nothing may run unseen."""
        register, name = self._register, running.name
        group = register.entry(name)["group"]
        orphans = Processes(
            name,
            Group(str(group)) if group else None,
            ancestor=0,
            session=register.session_of(name),
        )
        takedown = Takedown(orphans, grace=0.0, now=clock.monotonic())
        while not takedown.step(clock.monotonic()):  # noqa: ASYNC110 — the kernel tells nobody when they are gone
            await asyncio.sleep(TICK)
        if orphans.group is not None:
            orphans.group.remove()
        left = f"; {len(takedown.left)} processes of it cannot be ended" if takedown.left else ""
        await register.interrupted(name, f"its supervisor was ended{left}")
