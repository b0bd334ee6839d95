"""Looking at attempts, stopping and holding them, and letting go of them.

`answering` calls it; it calls the executor and the pool.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from controller.agent.asker import Asker
from controller.agent.jobs import Jobs
from controller.agent.news import News
from controller.agent.owners import check_own
from controller.agent.pool import Pool
from controller.agent.reports import Reports
from controller.agent.statuses import PHASES, say_brief, say_status
from controller.agent.targets import Targets
from controller.execution.executor import Executor
from controller.execution.status import Overview, Phase, Status
from controller.wire.messages.attempts import (
    Attempt,
    AttemptPage,
    Discard,
    GetAttempt,
    ListAttempts,
    PauseAttempt,
    ResumeAttempt,
    StopAttempt,
    WaitAttempt,
)

PAGE = 40 << 10
"""Bytes of JSON in one page, at most, well below what a frame's header takes."""
MOST_GRACE = 3_600.0
AFTER = 0.5
"""Seconds after which an attempt that goes on by itself is looked at."""


@dataclass(frozen=True)
class Attempts:
    """The attempts of this agent."""

    executor: Executor
    pool: Pool
    jobs: Jobs
    news: News
    reports: Reports
    targets: Targets

    def get(self, asked: GetAttempt) -> Attempt:
        """Say what is known of an attempt now."""
        return say_status(self.executor.status(asked.attempt))

    async def wait(self, asked: WaitAttempt) -> Attempt:
        """Say what is known of an attempt when it has ended, or was never claimed."""
        return say_status(await self.executor.wait(asked.attempt))

    async def stop(self, asker: Asker, asked: StopAttempt) -> Attempt:
        """End every process of an attempt; one that waits never starts."""
        status = self._own(asker, asked.attempt)
        if status.phase is Phase.NONE:
            return say_status(status)
        self.pool.drop(asked.attempt)
        grace = min(asked.grace, MOST_GRACE)
        return say_status(await self.executor.stop(asked.attempt, grace=grace))

    async def pause(self, asker: Asker, asked: PauseAttempt) -> Attempt:
        """Hold every process of an attempt, for some seconds or until it is resumed."""
        self._own(asker, asked.attempt)
        status = await self.executor.pause(asked.attempt, seconds=asked.seconds)
        self.tell(status)
        if asked.seconds:
            loop = asyncio.get_running_loop()
            loop.call_later(asked.seconds + AFTER, self._look, asked.attempt)
        return say_status(status)

    async def resume(self, asker: Asker, asked: ResumeAttempt) -> Attempt:
        """Let an attempt go on."""
        self._own(asker, asked.attempt)
        status = await self.executor.resume(asked.attempt)
        self.tell(status)
        return say_status(status)

    async def discard(self, asker: Asker, asked: Discard) -> None:
        """Delete the spools of attempts that are over, and the folder of a job."""
        for name in asked.attempts:
            self._own(asker, name)
        if asked.job is not None:
            self.jobs.check_own(asker, asked.job)
        await self.let_go(asked.attempts, asked.job)

    async def let_go(self, names: Sequence[str], job: str | None) -> None:
        """Delete what is here of attempts that are over, and of a job.

        Raises:
            RefusedError: an attempt of the job is not over.
        """
        for name in names:
            if self.executor.status(name).over:
                await self.pool.settled(name)  # its report may still be made
        await self.executor.discard(names, job=job)
        for name in names:
            if self.executor.status(name).over:
                self.news.forget(name)
                self.reports.forget(name)
        if job is not None:
            await self.targets.forget_job(job)
            self.jobs.forget(job)

    def page(self, asked: ListAttempts) -> AttemptPage:
        """List attempts in order of ids."""
        wanted = (one for one in self.executor.attempts() if one.id > asked.after)
        found = sorted(
            (one for one in wanted if asked.job in ("", one.job)), key=lambda one: one.id
        )
        room = PAGE
        for count, one in enumerate(found):
            room -= _weight(one)
            if room < 0:
                return AttemptPage(attempts=tuple(map(say_brief, found[:count])), more=True)
        return AttemptPage(attempts=tuple(map(say_brief, found)))

    def tell(self, status: Status) -> None:
        """Say as news what is known of an attempt."""
        at = status.ended_at if status.over else 0.0
        paused = status.phase is Phase.PAUSED
        self.news.changed(status.id, status.job, PHASES[status.phase], paused=paused, at=at)

    def _look(self, name: str) -> None:
        """See whether an attempt that was held has gone on."""
        status = self.executor.status(name)
        if not status.over:
            self.tell(status)

    def _own(self, asker: Asker, name: str) -> Status:
        """Refuse a user the attempt of another; one that is nowhere is nobody's."""
        status = self.executor.status(name)
        if status.phase is not Phase.NONE:
            check_own(asker, frozenset({status.owner}), name)
        return status


def _weight(one: Overview) -> int:
    """Estimate the bytes of JSON of a line of a list, from above: a character may take twelve."""
    return 200 + len(one.id) + len(one.job) + 12 * len(one.owner)
