"""Watching every supervisor of a room: seeing it go, reading how its attempt ended, and writing that down.

Supervisors found after a restart are known by number, start time and boot, never by the number alone. `executor` calls it;
it calls `register`, `running` and `takedown`.
"""

from __future__ import annotations

import asyncio

from controller.execution import clock
from controller.execution.ending import Ending
from controller.execution.errors import RefusedError
from controller.execution.register import Register
from controller.execution.running import Running
from controller.execution.takedown import TICK, Takedown


class Watch:
    """The supervisors that live.

    Args:
        register: of the room.
    """

    def __init__(self, register: Register) -> None:
        self._register = register
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

    async def settled(self, name: str, *, within: float | None = None) -> None:
        """Wait until the end of an attempt is written down, at most `within` seconds."""
        task = self._tasks.get(name)
        if task is None:
            await asyncio.sleep(TICK if within is None else within)
        elif within is None:
            await asyncio.shield(task)
        else:
            await asyncio.wait({task}, timeout=within)

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
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        for running in self._running.values():
            running.forget()

    async def _follow(self, running: Running) -> None:
        await running.gone()
        end = self._register.exit_of(running.name)
        if end is None:
            await self._interrupt(running)
        else:
            await self._register.end(running.name, end)
        self._running.pop(running.name, None)
        self._tasks.pop(running.name, None)

    async def _interrupt(self, running: Running) -> None:
        """Nobody looks after an attempt any more: end what is left of it, for nothing may run unseen."""
        orphans = running.orphans()
        takedown = Takedown(orphans, grace=0.0, now=clock.monotonic())
        while not takedown.step(clock.monotonic()):  # noqa: ASYNC110 — the kernel tells nobody when they are gone
            await asyncio.sleep(TICK)
        if orphans.group is not None:
            orphans.group.remove()
        left = f"; {len(takedown.left)} processes of it cannot be ended" if takedown.left else ""
        await self._register.interrupted(running.name, f"its supervisor was ended{left}")
