"""Answers everything that controllers and people may ask of this agent, from the start of the daemon to its end.

The daemon calls it for each request and stream; what it raises is told to whoever asked. Rights are checked here, by the
table in `owners`, before anything else looks at a message; who then does what is the table in `handling`. What happens by
itself is here, too: attempts begin and end, and whoever has to know is told.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Callable

from controller.agent.asker import Asker, Fetch
from controller.agent.attempts import Attempts
from controller.agent.errors import AgentError
from controller.agent.files import Files
from controller.agent.following import Following
from controller.agent.handling import Handling
from controller.agent.jobs import Jobs
from controller.agent.log import Log
from controller.agent.looking import Looking
from controller.agent.machine import Machine, base_of
from controller.agent.news import News
from controller.agent.offers import Offers
from controller.agent.owners import check_kind
from controller.agent.pool import Pool
from controller.agent.reports import Reports
from controller.agent.retention import Retention
from controller.agent.settings import Settings
from controller.agent.starts import Starts
from controller.agent.streams import Stream
from controller.agent.targets import Targets
from controller.agent.uploads import Uploads
from controller.execution import linux
from controller.execution.errors import ExecutionError, FullError
from controller.execution.executor import Executor
from controller.execution.groups import Groups
from controller.execution.spec import NAME
from controller.execution.status import Status
from controller.wire.messages.greetings import Facts, HostState

MOST_STREAMS = 512
"""Streams of one name that are served at once, over all its sessions."""


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
        self._targets = Targets(Path(base_of(settings)), folder, linux.boot_id(), self._is_open)
        self._offers = Offers(
            settings.scripts,
            folder / "scripts",
            only=settings.scripts_only,
            sent=settings.scripts_from_controller,
        )
        self._reports = Reports(self._executor, folder / "reports")
        self._attempts = Attempts(
            self._executor, self._pool, self._jobs, self._news, self._reports, self._targets
        )
        self._starts = Starts(
            self._executor,
            self._pool,
            self._jobs,
            self._uploads,
            self._targets,
            self._offers,
            self._reports,
        )
        self._following = Following(self._executor, self._pool)
        self._looking = Looking()
        self._machine = Machine(settings, grouped=groups is not None)
        self._retention = Retention(
            self._executor, settings.keep, folder / "jobs", self._attempts.let_go, self._log
        )
        self._serving: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._handling = Handling(
            settings.scripts_only,
            self._executor,
            self._pool,
            self._jobs,
            self._attempts,
            self._starts,
            self._targets,
            self._offers,
            self._reports,
            self._uploads,
            Files(self._executor),
            self._following,
            self._looking,
        )
        self._answers = self._handling.answers()
        self._serves = self._handling.serves()

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

    # what happens by itself

    def _is_open(self, name: str) -> bool:
        if not NAME.fullmatch(name):
            return False  # one of the runner over ssh, which takes longer names
        return not self._executor.status(name).over

    def _keeper(self, name: str) -> str:
        return "{} {}".format(*(self._executor.supervisor(name) or (0, 0)))

    async def _begun(self, status: Status) -> None:
        name = status.id
        self._uploads.release(name)
        try:
            if not status.over:
                self._attempts.tell(status)
                await self._targets.started(name, status.job, self._keeper(name))
        except (AgentError, ExecutionError) as error:
            self._log.say(f"cannot tell that {name} runs: {error.message}")

    async def _over(self, status: Status) -> None:
        name = status.id
        self._jobs.over(status.owner, name)
        self._following.over(name)
        self._uploads.release(name)
        try:
            await self._targets.ended(name)
            if await self._reports.finish(status):
                self._news.reported(name, status.job)
            # The end is told last: whoever notes it has noted the report, too.
            self._attempts.tell(status)
        except (AgentError, ExecutionError) as error:
            self._log.say(f"cannot tell that {name} is over: {error.message}")
        except OSError as error:
            self._log.say(f"cannot tell that {name} is over: {error}")

    async def _tell_again(self, names: list[str]) -> None:
        for name in names:
            if not self._news.is_noted(name):
                await self._over(self._executor.status(name))
            await asyncio.sleep(0)  # there may be thousands, and others wait

    def _go(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
