"""The tasks of all sessions, counted; and what becomes of a fault in one of them.

`talks` starts tasks here; `daemon` ends them all.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Coroutine
from typing import Callable

from controller.agent.log import Log
from controller.execution.errors import BrokenError
from controller.wire.messages.server import Failed

MOST = 4_096
"""Requests and streams under way, of all sessions together."""
PATIENCE = 3.0
"""Seconds that answers get when the agent ends."""


class Crew:
    """Runs tasks.

    Args:
        log: is told of faults.
        broken: called when the agent must not go on.
    """

    refusal = Failed(
        code="busy", message=f"{MOST} requests are under way here", hint="try again in a moment"
    )

    def __init__(self, log: Log, broken: Callable[[str], None]) -> None:
        self._log = log
        self._stop = broken
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def full(self) -> bool:
        """Say whether new work is to be refused."""
        return len(self._tasks) >= MOST

    def start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Begin a task; a refusal is one, too."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def broken(self, error: BrokenError) -> None:
        """Stop the agent: it cannot keep what it promises."""
        self._stop(error.message)

    def fault(self, what: str, error: BaseException) -> None:
        """Tell of a fault of our own, and where it is."""
        places = traceback.extract_tb(error.__traceback__)
        where = f" ({places[-1].filename.rpartition('/')[2]}:{places[-1].lineno})" if places else ""
        self._log.often("faults", f"{what} failed: {type(error).__name__}: {error}{where}")

    async def close(self) -> None:
        """Let what is under way come to its end, for `PATIENCE`; then end it."""
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=PATIENCE)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.fault("a task", error)
