"""The tasks of all sessions, counted; and what becomes of a fault in one of them.

`talks` starts tasks here; `daemon` ends them all.
"""

from __future__ import annotations

import asyncio
import traceback
from collections import Counter
from collections.abc import Coroutine, Mapping
from typing import Callable

from controller.agent.asker import Asker, Role
from controller.agent.log import Log
from controller.execution.errors import BrokenError
from controller.wire.messages.server import Failed

MOST = 16_384
"""Requests and streams under way, of all together."""
EACH: Mapping[Role, int] = {"controller": 4_096, "admin": 1_024, "user": 256}
"""The same for one name, so that nobody keeps another one out."""
PATIENCE = 3.0
"""Seconds that answers get when the agent ends."""


class Crew:
    """Runs tasks.

    Args:
        log: is told of faults.
        broken: called when the agent must not go on.
    """

    refusal = Failed(
        code="busy", message="too much is under way here", hint="try again in a moment"
    )

    def __init__(self, log: Log, broken: Callable[[str], None]) -> None:
        self._log = log
        self._stop = broken
        self._tasks: set[asyncio.Task[None]] = set()
        self._own: Counter[tuple[str, str]] = Counter()

    def full(self, asker: Asker) -> bool:
        """Say whether new work of somebody is to be refused."""
        own = self._own[asker.role, asker.name]
        return own >= EACH[asker.role] or len(self._tasks) >= MOST

    def start(self, work: Coroutine[None, None, None], asker: Asker) -> asyncio.Task[None]:
        """Begin a task for somebody; a refusal is one, too."""
        task = asyncio.get_running_loop().create_task(work)
        owner = asker.role, asker.name
        self._own[owner] += 1
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._done(done, owner))
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

    def _done(self, task: asyncio.Task[None], owner: tuple[str, str]) -> None:
        self._tasks.discard(task)
        self._own[owner] -= 1
        if not self._own[owner]:
            del self._own[owner]
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.fault("a task", error)
