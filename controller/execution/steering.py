"""Steering attempts that run: stop, hold, let go on, feed.

`executor` calls it; it leaves `wishes`, and waits until their supervisors have done what was wished.
"""

from __future__ import annotations

from controller.execution import clock
from controller.execution.errors import RefusedError
from controller.execution.register import Register
from controller.execution.status import Phase, Status
from controller.execution.takedown import PATIENCE
from controller.execution.watch import Watch
from controller.execution.wishes import Wishes

LOOK = 0.01
"""Seconds between looks where no supervisor tells us, as after a restart."""
CONFIRM = 5.0
SLACK = 10.0
"""Seconds that a supervisor may take longer for a stop than its takedown does."""


class Steering:
    """The attempts of one room that run.

    Args:
        register: of the room.
        watch: of the room.
    """

    def __init__(self, register: Register, watch: Watch) -> None:
        self._register = register
        self._watch = watch

    async def stop(self, name: str, *, grace: float) -> None:
        """Have every process of an attempt ended; one that is over already is left alone.

        A supervisor that does not get it done, for it is held or hangs, is ended, and then its attempt by `watch`.
        """
        running = self._watch.find(name)
        if running is None:
            return
        self._wishes(name).want("stop", grace)
        by = clock.monotonic() + grace + PATIENCE + SLACK
        while self._watch.find(name) is running:
            left = by - clock.monotonic()
            if left <= 0:
                running.kill()
                return
            await self._watch.news(name, within=left, most=left)

    async def pause(self, name: str, *, seconds: float) -> Status:
        """Hold every process of an attempt.

        Raises:
            RefusedError: it does not run, or cannot be held here.
        """
        self._wishes(name).want("pause", seconds)
        return await self._become(name, Phase.PAUSED)

    async def resume(self, name: str) -> Status:
        """Let a held attempt go on.

        Raises:
            RefusedError: it does not run.
        """
        self._wishes(name).withdraw("pause")
        return await self._become(name, Phase.RUNNING)

    async def feed(self, name: str, data: bytes, *, close: bool) -> None:
        """Give an attempt more input.

        Raises:
            RefusedError: it does not run, or takes no input.
        """
        wishes = self._wishes(name)
        await wishes.feed(data)
        if close:
            wishes.want("shut")

    def _wishes(self, name: str) -> Wishes:
        return Wishes(self._watch.get(name), self._register.folders.attempt(name))

    async def _become(self, name: str, phase: Phase) -> Status:
        """Wait until a supervisor has done what was wanted, or its attempt is over."""
        by = clock.monotonic() + CONFIRM
        status = self._register.status(name)
        while status.phase is not phase and not status.over:
            left = by - clock.monotonic()
            if left < 0:
                raise RefusedError(f"cannot bring {name} to be {phase.value}: no freezer here")
            await self._watch.news(name, within=LOOK, most=left)
            status = self._register.status(name)
        return status
