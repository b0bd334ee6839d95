"""Before and after: moments of jobs and steps, told to those who asked for them.

`service` makes one and gives it to the engine as a listener. Hearing is quick and never raises: a moment is taken down, and written to the outbox soon
after by `write`, which runs for as long as the process. What comes while too many wait is dropped and counted.
"""

import asyncio
from collections import deque
from typing import Final

from controller.jobs.moments import Told
from controller.model.ids import IdFactory
from controller.model.notice import Notice, Occasion
from controller.reconcile.loop.notices import Noticeboard

MOST: Final = 10_000
"""Moments that wait to be written; further ones are dropped, and counted."""
AT_ONCE: Final = 200
"""Moments that are written in one transaction."""


class MomentNotices:
    """Turns moments into notices."""

    def __init__(self, board: Noticeboard, ids: IdFactory) -> None:
        self._board = board
        self._ids = ids
        self._moments: deque[Told] = deque()
        self._there = asyncio.Event()
        self.dropped = 0
        """Moments of which nobody was told, because more came than could be written."""

    def __call__(self, told: Told) -> None:
        """Hear of a moment."""
        if not self._board.wants(Occasion(told.moment.value)):
            return
        if len(self._moments) >= MOST:
            self.dropped += 1
            return
        self._moments.append(told)
        self._there.set()

    async def write(self) -> None:
        """Write what was heard, whenever there is something; for ever. It may be called again after it failed.

        Raises:
            StateError: the state cannot be written.
        """
        while True:
            self._there.clear()
            await self.flush()
            await self._there.wait()

    async def flush(self) -> None:
        """Write what was heard until now; what cannot be written waits for the next time.

        Raises:
            StateError: the state cannot be written.
        """
        while self._moments:
            some = [self._moments[place] for place in range(min(AT_ONCE, len(self._moments)))]
            await self._board.post_all([notice_of(told, self._ids()) for told in some])
            for _ in some:
                self._moments.popleft()


def notice_of(told: Told, id_: str) -> Notice:
    """Say of a moment what people and machines want to know: names, states, times; never output or commands."""
    job, occasion = told.job, Occasion(told.moment.value)
    of = job.task if told.step is None else f"{job.task}.{told.step}"
    is_over = occasion in {Occasion.AFTER_JOB, Occasion.AFTER_STEP}
    words = f"ended: {told.event.state}" if is_over else "is about to run"
    return Notice(
        id=id_,
        at=told.event.at,
        occasion=occasion,
        subject=f"job/{job.id}",
        group=f"run/{job.run}",
        title=f"{of} on {job.server} {words}",
        facts={
            "job": job.id,
            "run": job.run,
            "target": job.target,
            "task": job.task,
            "step": told.step,
            "server": job.server,
            "state": told.event.state.value,
            "commit": job.commit,
        },
        target=job.target,
    )
