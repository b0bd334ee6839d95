"""Who does what for each kind of request and stream: the table, and the few that need a word with `jobs` before.

`answering` reads it, after it has asked `owners` whether this role may ask that at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Callable, TypeVar, cast

from controller.agent.asker import Asker, Fetch
from controller.agent.attempts import Attempts
from controller.agent.files import Files
from controller.agent.following import Following
from controller.agent.jobs import Jobs
from controller.agent.looking import Looking
from controller.agent.offers import Offers
from controller.agent.owners import WORKSPACE, check_own, check_path, check_user, is_user
from controller.agent.pool import Pool
from controller.agent.reports import Reports
from controller.agent.starts import Starts
from controller.agent.streams import Stream
from controller.agent.targets import Targets
from controller.agent.uploads import Uploads
from controller.execution.errors import RefusedError
from controller.execution.executor import Executor
from controller.execution.login import find_login
from controller.wire.messages.attempts import (
    Discard,
    GetAttempt,
    ListAttempts,
    PauseAttempt,
    ResumeAttempt,
    RunScript,
    Start,
    StopAttempt,
    WaitAttempt,
)
from controller.wire.messages.files import (
    GetSize,
    ListArtifacts,
    ListWorkspace,
    Probe,
    Probed,
    RemoveFile,
    Size,
)
from controller.wire.messages.server import (
    Done,
    GetPool,
    GetReport,
    Inspect,
    ListScripts,
    Pool as PoolSize,
    Report,
    SetPool,
)
from controller.wire.messages.streams import (
    OpenFile,
    OpenInput,
    OpenOutput,
    OpenUpload,
    OpenWorkspace,
)
from controller.wire.messages.targets import (
    ClaimTarget,
    ForgetTarget,
    ReadLocks,
    ReadMarkers,
    ReleaseTarget,
)

MOST_WORKERS = 1_000
_Asked = TypeVar("_Asked")
Answer = Callable[[Asker, object, Fetch], Awaitable[object]]
Serve = Callable[[Asker, object, Stream], Awaitable[None]]


@dataclass(frozen=True)
class Handling:
    """Everybody who does something for those who ask; `scripts_only` says that nothing but scripts is run."""

    scripts_only: bool
    executor: Executor
    pool: Pool
    jobs: Jobs
    attempts: Attempts
    starts: Starts
    targets: Targets
    offers: Offers
    reports: Reports
    uploads: Uploads
    files: Files
    following: Following
    looking: Looking

    def answers(self) -> Mapping[type, Answer]:
        """Say who answers which request."""
        mine, jobs, there = self.attempts, self.targets, self.files
        return dict(
            (
                _on(Start, self.starts.start),
                _on(RunScript, self.starts.run_script),
                _on(GetAttempt, lambda who, asked, _: _at_once(mine.get(asked))),
                _on(WaitAttempt, lambda who, asked, _: mine.wait(asked)),
                _on(StopAttempt, lambda who, asked, _: mine.stop(who, asked)),
                _on(PauseAttempt, lambda who, asked, _: mine.pause(who, asked)),
                _on(ResumeAttempt, lambda who, asked, _: mine.resume(who, asked)),
                _on(Discard, lambda who, asked, _: _done(mine.discard(who, asked))),
                _on(ListAttempts, lambda who, asked, _: _at_once(mine.page(asked))),
                _on(ReadMarkers, lambda who, asked, _: jobs.markers(asked)),
                _on(ReadLocks, lambda who, asked, _: jobs.locks(asked, who.session)),
                _on(ClaimTarget, lambda who, asked, _: jobs.claim(asked, who.session)),
                _on(ReleaseTarget, lambda who, asked, _: _done(jobs.release(asked))),
                _on(ForgetTarget, lambda who, asked, _: jobs.forget(asked, who.session)),
                _on(Probe, self._probe),
                _on(
                    ListArtifacts,
                    lambda who, asked, _: there.artifacts(asked.job, asked.after),
                ),
                _on(
                    ListWorkspace,
                    lambda who, asked, _: there.workspace(asked.job, asked.after),
                ),
                _on(RemoveFile, self._remove_file),
                _on(GetSize, self._get_size),
                _on(ListScripts, lambda who, asked, _: self.offers.page(asked)),
                _on(Inspect, lambda who, asked, _: self.offers.inspect(asked)),
                _on(GetPool, lambda who, asked, _: _at_once(self.pool.size())),
                _on(SetPool, self._set_pool),
                _on(GetReport, self._get_report),
            )
        )

    def serves(self) -> Mapping[type, Serve]:
        """Say who serves which stream."""
        return dict(
            (
                _in(OpenOutput, lambda _, asked, to: self.following.output(asked, to)),
                _in(OpenFile, self._send_file),
                _in(OpenWorkspace, self._send_workspace),
                _in(OpenInput, self._take_input),
                _in(OpenUpload, self._take_upload),
            )
        )

    async def _probe(self, asker: Asker, asked: Probe, fetch: Fetch) -> Probed:
        if is_user(asker):
            login = await asyncio.to_thread(find_login, asked.user)
            check_user(asker, asked.user, login.uid)
        return await self.looking.probe(asked)

    async def _remove_file(self, asker: Asker, asked: RemoveFile, fetch: Fetch) -> Done:
        self.jobs.check_own(asker, asked.job)
        await self.files.remove(asked)
        return Done()

    async def _get_size(self, asker: Asker, asked: GetSize, fetch: Fetch) -> Size:
        self._check_path(asker, asked.path)
        return await self.files.size(asked.path)

    async def _set_pool(self, asker: Asker, asked: SetPool, fetch: Fetch) -> PoolSize:
        if not 1 <= asked.workers <= MOST_WORKERS:
            raise RefusedError(f"cannot have {asked.workers} workers: 1 to {MOST_WORKERS}")
        self.pool.resize(asked.workers)
        return self.pool.size()

    async def _get_report(self, asker: Asker, asked: GetReport, fetch: Fetch) -> Report:
        if self.executor.status(asked.attempt).over:
            await self.pool.settled(asked.attempt)
        return await self.reports.get(asked.attempt)

    async def _send_file(self, asker: Asker, asked: OpenFile, stream: Stream) -> None:
        self._check_path(asker, asked.path)
        await self.files.send(asked.path, asked.offset, stream)

    async def _send_workspace(self, asker: Asker, asked: OpenWorkspace, stream: Stream) -> None:
        self.jobs.check_own(asker, asked.job)
        await self.files.send(f"{WORKSPACE}{asked.job}/{asked.path}", asked.offset, stream)

    async def _take_input(self, asker: Asker, asked: OpenInput, stream: Stream) -> None:
        owner = self.executor.status(asked.attempt).owner
        check_own(asker, frozenset({owner}), asked.attempt)
        await self.following.input(asker, asked, stream)

    async def _take_upload(self, asker: Asker, asked: OpenUpload, stream: Stream) -> None:
        if asked.purpose == "workspace":
            self.jobs.check_own(asker, asked.job)
            await self.files.put(asked, stream)
        else:
            await self.uploads.receive(stream, asked.size)

    def _check_path(self, asker: Asker, path: str) -> None:
        if path.startswith(WORKSPACE):
            self.jobs.check_own(asker, path[len(WORKSPACE) :].partition("/")[0])
        else:
            check_path(asker, path, scripts_only=self.scripts_only)


def _on(
    kind: type[_Asked], do: Callable[[Asker, _Asked, Fetch], Awaitable[object]]
) -> tuple[type, Answer]:
    return kind, cast("Answer", do)


def _in(
    kind: type[_Asked], do: Callable[[Asker, _Asked, Stream], Awaitable[None]]
) -> tuple[type, Serve]:
    return kind, cast("Serve", do)


async def _at_once(reply: object) -> object:
    return reply


async def _done(work: Awaitable[None]) -> Done:
    await work
    return Done()
