"""Renewals: agents that are connected get their next certificate, where the authority lies beside the controller's, and the logs tell of it.

Made by `serving`; both carriers of agents ask what it makes. What was signed is a change, so it stands in the log of activity; what
was refused stands in that of connectivity.
"""

import asyncio
import logging
from typing import Final

from controller.clock import Clock
from controller.journal.log import Log
from controller.reconcile.loop.world import World
from controller.settings import Papers
from controller.transport.agents.renewal import RENEWED, Renewal, Told

LOG: Final = logging.getLogger(__name__)


class Renewals:
    """Answers agents, and notes what came of it.

    Args:
        said: whose certificates; where the authority lies beside them, agents can renew.
        world: knows which servers are declared, and has the logs.
        clock: time.
    """

    def __init__(self, said: Papers, world: World, *, clock: Clock) -> None:
        self._world = world
        self._tasks: set[asyncio.Task[None]] = set()
        self.answer = Renewal(said.folder, clock=clock, declared=self._declared, tell=self._told)
        """Given to who speaks with agents."""

    def _declared(self, name: str) -> bool | None:
        """Say whether a server has this name: one that was taken out of the declarations lives on no longer than its certificate."""
        generation = self._world.generation
        return None if generation is None else name in generation.declaration.inventory.servers

    def _told(self, told: Told) -> None:
        if told.beside:
            LOG.warning(
                "%s has renewed from a certificate that was renewed %d times before: has somebody else its key? ctl pki list --all",
                told.name,
                told.beside,
            )
        task = asyncio.get_running_loop().create_task(self._note(told))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def _note(self, told: Told) -> None:
        rooms = self._world.rooms
        log: Log = rooms.activity if told.outcome == RENEWED else rooms.connectivity
        await log.append(
            "renewal",
            rooms.actor,
            server=told.name,
            outcome=told.outcome,
            message=told.why or None,
            serial=told.serial or None,
            ends=None if told.ends is None else told.ends.isoformat(),
            beside=told.beside or None,
        )

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            LOG.warning("cannot note the renewal of a certificate: %s", task.exception())
