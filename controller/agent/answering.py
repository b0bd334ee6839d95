"""Answers everything that controllers and people may ask of this agent: a table of who does what for each kind.

`pump` calls it for each request and stream; what it raises is told to whoever asked. Rights are checked here, by the table in
`owners`, before anything else looks at a message. Everything else is in the modules it calls.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Callable, TypeVar, cast

from controller.agent.asker import Asker, Fetch
from controller.agent.attempts import Attempts
from controller.agent.errors import AgentError
from controller.agent.files import Files
from controller.agent.following import Following
from controller.agent.jobs import Jobs
from controller.agent.log import Log
from controller.agent.looking import Looking
from controller.agent.machine import Machine, base_of
from controller.agent.news import News
from controller.agent.offers import Offers
from controller.agent.owners import (
    WORKSPACE,
    check_kind,
    check_own,
    check_path,
    check_user,
    is_user,
)
from controller.agent.pool import Pool
from controller.agent.reports import Reports
from controller.agent.retention import Retention
from controller.agent.settings import Settings
from controller.agent.starts import Starts
from controller.agent.streams import Stream
from controller.agent.targets import Targets
from controller.agent.uploads import Uploads
from controller.execution import linux
from controller.execution.errors import ExecutionError, FullError, RefusedError
from controller.execution.executor import Executor
from controller.execution.groups import Groups
from controller.execution.login import find_login
from controller.execution.spec import NAME
from controller.wire.messages import attempts, files, server, streams, targets
from controller.wire.messages.greetings import Facts, HostState

MOST_STREAMS = 512
"""Streams of one name that are served at once, over all its sessions."""
MOST_WORKERS = 1_000
_Asked = TypeVar("_Asked")
Answer = Callable[[Asker, object, Fetch], Awaitable[object]]
Serve = Callable[[Asker, object, Stream], Awaitable[None]]


class Answers:
    """What this agent answers; one event loop.

    Args:
        settings: how it was told to behave.
        groups: where cgroups may be made; None is nowhere.
    """

    def __init__(self, settings: Settings, *, groups: Groups | None = None) -> None:
        folder = Path(settings.state)
        self._settings = settings
        self._log = Log()
        self._executor = Executor(folder, groups=groups)
        self._pool = Pool(
            self._executor,
            settings.workers,
            begun=self._begun,
            over=self._over,
            log=self._log,
        )
        self._jobs = Jobs(self._executor, folder / "jobs")
        self._news = News(folder / "news")
        self._uploads = Uploads(folder / "uploads")
        self._targets = Targets(Path(base_of(settings)), linux.boot_id(), self._is_open)
        self._offers = Offers(settings.scripts, folder / "scripts", only=settings.scripts_only)
        self._reports = Reports(self._executor, folder / "reports")
        self._attempts = Attempts(self._executor, self._pool, self._jobs, self._news, self._reports)
        self._starts = Starts(
            self._executor,
            self._pool,
            self._jobs,
            self._uploads,
            self._targets,
            self._offers,
            self._reports,
        )
        self._files = Files(self._executor)
        self._following = Following(self._executor, self._pool)
        self._looking = Looking()
        self._machine = Machine(settings, grouped=groups is not None)
        self._retention = Retention(
            self._executor, settings.keep, folder / "jobs", self._attempts.let_go, self._log
        )
        self._serving: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._answers = self._table()
        self._serves = self._stream_table()

    async def open(self) -> None:
        """Take the folder, find out what became of every attempt, and begin to look after what is there.

        Raises:
            AgentError, ExecutionError: a folder cannot be used or trusted.
        """
        await self._offers.check()
        await self._executor.recover()
        self._uploads.open()
        self._jobs.open()
        known = list(self._executor.attempts())
        self._reports.open(frozenset(one.id for one in known))
        self._news.open(one.id for one in known)
        running = [one for one in known if not self._executor.status(one.id).over]
        await self._targets.open({one.id: (one.job, self._keeper(one.id)) for one in running})
        for one in running:
            self._jobs.add(one.job, one.owner, one.id)
            self._pool.take_up(one.id)
        await self._machine.look()
        self._go(self._machine.watch())
        self._go(self._retention.run())
        going = {one.id for one in running}
        self._go(self._tell_again([one.id for one in known if one.id not in going]))

    def facts(self) -> Facts:
        """Say what this machine is."""
        return self._machine.facts(self._pool.size())

    def state(self) -> HostState:
        """Say how it does; at once."""
        return self._machine.state(self._pool.size())

    async def answer(self, asker: Asker, message: object, fetch: Fetch) -> object:
        """Give the reply to a request.

        Raises:
            AgentError, ExecutionError: it is refused, or cannot be done.
        """
        check_kind(asker, type(message), scripts_only=self._settings.scripts_only)
        self._targets.joined(asker.session)
        try:
            return await self._answers[type(message)](asker, message, fetch)
        except OSError as error:
            raise AgentError(f"cannot do that on this server: {error}") from error

    async def stream(self, asker: Asker, message: object, stream: Stream) -> None:
        """Serve a stream to its end.

        Raises:
            AgentError, ExecutionError: it is refused, or cannot be gone on with.
            StreamCancelledError, StreamLostError: the other side wants no more of it, or is gone.
        """
        check_kind(asker, type(message), scripts_only=self._settings.scripts_only)
        if self._serving[asker.name] >= MOST_STREAMS:
            raise FullError(f"cannot serve more than {MOST_STREAMS} streams of {asker.name}")
        self._serving[asker.name] += 1
        try:
            await self._serves[type(message)](asker, message, stream)
        except OSError as error:
            raise AgentError(f"cannot do that on this server: {error}") from error
        finally:
            self._serving[asker.name] -= 1
            self._serving += Counter()  # names that have none are forgotten

    def left(self, session: object) -> None:
        """Note that a session has no connection any more: until it is back, nobody holds its locks."""
        self._targets.left(session)
        self._go(self._targets.abandon())

    def listen(self, tell: Callable[[object], None]) -> Callable[[], None]:
        """Call `tell` with all news from now on; give what ends that."""
        return self._news.listen(tell)

    def noted(self, number: int) -> None:
        """Forget news up to a number."""
        self._news.noted(number)

    def unnoted(self) -> Sequence[object]:
        """Give the news that no controller has noted, in order."""
        return self._news.unnoted()

    async def drain(self) -> None:
        """Wait until nothing runs and nothing waits."""
        await self._pool.empty()

    async def close(self) -> None:
        """End; attempts go on."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._pool.close()
        self._looking.close()
        self._targets.close()
        await self._executor.close()

    # the tables

    def _table(self) -> Mapping[type, Answer]:
        mine, jobs, there = self._attempts, self._targets, self._files
        return dict(
            (
                _on(attempts.Start, self._starts.start),
                _on(attempts.RunScript, self._starts.run_script),
                _on(attempts.GetAttempt, lambda who, asked, _: _at_once(mine.get(asked))),
                _on(attempts.WaitAttempt, lambda who, asked, _: mine.wait(asked)),
                _on(attempts.StopAttempt, lambda who, asked, _: mine.stop(who, asked)),
                _on(attempts.PauseAttempt, lambda who, asked, _: mine.pause(who, asked)),
                _on(attempts.ResumeAttempt, lambda who, asked, _: mine.resume(who, asked)),
                _on(attempts.Discard, lambda who, asked, _: _done(mine.discard(who, asked))),
                _on(attempts.ListAttempts, lambda who, asked, _: _at_once(mine.page(asked))),
                _on(targets.ReadMarkers, lambda who, asked, _: jobs.markers(asked)),
                _on(targets.ReadLocks, lambda who, asked, _: jobs.locks(asked, who.session)),
                _on(targets.ClaimTarget, lambda who, asked, _: jobs.claim(asked, who.session)),
                _on(targets.ReleaseTarget, lambda who, asked, _: _done(jobs.release(asked))),
                _on(targets.ForgetTarget, lambda who, asked, _: jobs.forget(asked, who.session)),
                _on(files.Probe, self._probe),
                _on(
                    files.ListArtifacts,
                    lambda who, asked, _: there.artifacts(asked.job, asked.after),
                ),
                _on(
                    files.ListWorkspace,
                    lambda who, asked, _: there.workspace(asked.job, asked.after),
                ),
                _on(files.RemoveFile, self._remove_file),
                _on(files.GetSize, self._get_size),
                _on(server.ListScripts, lambda who, asked, _: self._offers.page(asked)),
                _on(server.Inspect, lambda who, asked, _: self._offers.inspect(asked)),
                _on(server.GetPool, lambda who, asked, _: _at_once(self._pool.size())),
                _on(server.SetPool, self._set_pool),
                _on(server.GetReport, self._get_report),
            )
        )

    def _stream_table(self) -> Mapping[type, Serve]:
        return dict(
            (
                _in(streams.OpenOutput, lambda _, asked, to: self._following.output(asked, to)),
                _in(streams.OpenFile, self._send_file),
                _in(streams.OpenWorkspace, self._send_workspace),
                _in(streams.OpenInput, self._take_input),
                _in(streams.OpenUpload, self._take_upload),
            )
        )

    async def _probe(self, asker: Asker, asked: files.Probe, fetch: Fetch) -> files.Probed:
        if is_user(asker):
            login = await asyncio.to_thread(find_login, asked.user)
            check_user(asker, asked.user, login.uid)
        return await self._looking.probe(asked)

    async def _remove_file(
        self, asker: Asker, asked: files.RemoveFile, fetch: Fetch
    ) -> server.Done:
        self._jobs.check_own(asker, asked.job)
        await self._files.remove(asked)
        return server.Done()

    async def _get_size(self, asker: Asker, asked: files.GetSize, fetch: Fetch) -> files.Size:
        self._check_path(asker, asked.path)
        return await self._files.size(asked.path)

    async def _set_pool(self, asker: Asker, asked: server.SetPool, fetch: Fetch) -> server.Pool:
        if not 1 <= asked.workers <= MOST_WORKERS:
            raise RefusedError(f"cannot have {asked.workers} workers: 1 to {MOST_WORKERS}")
        self._pool.resize(asked.workers)
        return self._pool.size()

    async def _get_report(
        self, asker: Asker, asked: server.GetReport, fetch: Fetch
    ) -> server.Report:
        if self._executor.status(asked.attempt).over:
            await self._pool.settled(asked.attempt)
        return await self._reports.get(asked.attempt)

    async def _send_file(self, asker: Asker, asked: streams.OpenFile, stream: Stream) -> None:
        self._check_path(asker, asked.path)
        await self._files.send(asked.path, asked.offset, stream)

    async def _send_workspace(
        self, asker: Asker, asked: streams.OpenWorkspace, stream: Stream
    ) -> None:
        self._jobs.check_own(asker, asked.job)
        await self._files.send(f"{WORKSPACE}{asked.job}/{asked.path}", asked.offset, stream)

    async def _take_input(self, asker: Asker, asked: streams.OpenInput, stream: Stream) -> None:
        owner = self._executor.status(asked.attempt).owner
        check_own(asker, frozenset({owner}), asked.attempt)
        await self._following.input(asker, asked, stream)

    async def _take_upload(self, asker: Asker, asked: streams.OpenUpload, stream: Stream) -> None:
        if asked.purpose == "workspace":
            self._jobs.check_own(asker, asked.job)
            await self._files.put(asked, stream)
        else:
            await self._uploads.receive(stream, asked.size)

    def _check_path(self, asker: Asker, path: str) -> None:
        if path.startswith(WORKSPACE):
            self._jobs.check_own(asker, path[len(WORKSPACE) :].partition("/")[0])
        else:
            check_path(asker, path, scripts_only=self._settings.scripts_only)

    # what happens by itself

    def _is_open(self, name: str) -> bool:
        if not NAME.fullmatch(name):
            return False  # one of the runner over ssh, which takes longer names
        return not self._executor.status(name).over

    def _keeper(self, name: str) -> str:
        return "{} {}".format(*(self._executor.supervisor(name) or (0, 0)))

    async def _begun(self, name: str) -> None:
        self._uploads.release(name)
        try:
            self._attempts.tell(name)
            if self._is_open(name):
                job = self._executor.status(name).job
                await self._targets.started(name, job, self._keeper(name))
        except (AgentError, ExecutionError) as error:
            self._log.say(f"cannot tell that {name} runs: {error.message}")

    async def _over(self, name: str) -> None:
        status = self._executor.status(name)
        self._jobs.over(status.owner, name)
        self._following.over(name)
        self._uploads.release(name)
        try:
            await self._targets.ended(name)
            if await self._reports.finish(status):
                self._news.reported(name, status.job)
            # The end is told last: whoever notes it has noted the report, too.
            self._attempts.tell(name)
        except (AgentError, ExecutionError) as error:
            self._log.say(f"cannot tell that {name} is over: {error.message}")
        except OSError as error:
            self._log.say(f"cannot tell that {name} is over: {error}")

    async def _tell_again(self, names: list[str]) -> None:
        for name in names:
            if not self._news.is_noted(name):
                await self._over(name)

    def _go(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


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


async def _done(work: Awaitable[None]) -> server.Done:
    await work
    return server.Done()
