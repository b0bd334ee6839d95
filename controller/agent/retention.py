"""Deleting what ended long enough ago: output, workspaces and reports, so that no server fills up with its past.

`answering` starts it; it looks every minute, and does a bounded piece of work each time, so that nobody waits for it. That an
attempt was, and how it ended, stays known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Callable

from controller.agent.errors import AgentError
from controller.agent.log import Log
from controller.execution import clock
from controller.execution.errors import ExecutionError
from controller.execution.executor import Executor
from controller.execution.spec import NAME
from controller.execution.status import Overview, Phase

EVERY = 60.0
MOST = 200
"""Attempts that one round discards."""
ENDS = (Phase.ENDED, Phase.INTERRUPTED)
Discard = Callable[["Sequence[str]", "str | None"], Awaitable[None]]


class Retention:
    """Looks again and again for what may go.

    Args:
        executor: knows the attempts.
        keep: seconds after the end of the last attempt of a job.
        folder: holds the folders of jobs.
        discard: lets go of attempts, and of a job.
        log: takes what went wrong.
    """

    def __init__(
        self, executor: Executor, keep: float, folder: Path, discard: Discard, log: Log
    ) -> None:
        self._executor = executor
        self._keep = keep
        self._folder = folder
        self._discard = discard
        self._log = log

    async def run(self) -> None:
        """Look every minute until cancelled."""
        while True:
            try:
                await self.look()
            except (AgentError, ExecutionError) as error:
                self._log.say(f"cannot delete what is old: {error.message}")
            except OSError as error:
                self._log.say(f"cannot delete what is old: {error}")
            await asyncio.sleep(EVERY)

    async def look(self) -> int:
        """Discard the oldest of what may go; give how many attempts."""
        before = clock.wall() - self._keep
        jobs: dict[str, list[Overview]] = {}
        for one in self._executor.attempts():
            jobs.setdefault(one.job, []).append(one)
        for job in await asyncio.to_thread(_left_over, self._folder, frozenset(jobs), before):
            await self._discard([], job)
        done = 0
        for job, mine in jobs.items():
            if not all(one.phase in ENDS and one.ended_at < before for one in mine):
                continue
            names = [one.id for one in mine][: MOST - done]
            await self._discard(names, job if len(names) == len(mine) else None)
            done += len(names)
            if done >= MOST:
                break
        return done


def _left_over(folder: Path, known: frozenset[str], before: float) -> list[str]:
    """Name some jobs of which no attempt is known, and whose folder nobody has touched for long."""
    found: list[str] = []
    for one in folder.iterdir():
        if one.name not in known and NAME.fullmatch(one.name) and one.stat().st_mtime < before:
            found.append(one.name)
        if len(found) >= MOST:
            break
    return found
