"""A controller that stays, in one process, on a simulated fleet: declarations, git, plans, gates, queue and engine are real.

Time is the machine's own, and may be put forward. An estate is closed and opened again as often as a test likes, on the same store: that is a
restart, or a kill where the parts are cancelled without a word.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from controller.model.applied import Applied
from controller.model.declaration import Declaration
from controller.model.ids import RunId
from controller.model.job import Job
from controller.model.notice import Letter, Notice
from controller.model.token import Actor, Role
from controller.reconcile.controller import LocalController
from controller.reconcile.loop.force import InForce
from controller.reconcile.loop.keys import CONFIG, Key, Kind
from controller.reconcile.loop.live import Live
from controller.reconcile.loop.news import News
from controller.reconcile.loop.result import Done, Result
from controller.reconcile.loop.scheduler import Scheduler
from controller.reconcile.loop.serving import LiveServing
from controller.reconcile.loop.table import TABLE
from controller.reconcile.loop.worker import Reconciler, Worker
from controller.reconcile.loop.world import World
from controller.reconcile.rooms import Reach, Rooms
from controller.reconcile.said import Said, all_said
from controller.service.options import Options
from controller.service.works import Works
from controller.settings import resolve
from controller.source.tracked import TrackedConfig
from controller.store.folder import prepare
from controller.store.lock import Saver, StateLock
from controller.store.memory import MemoryStore
from controller.transport.port import AttemptSpec
from controller.workqueue.memory import MemoryQueue
from tests.fakes.fleet import Program, SimulatedFleet
from tests.fakes.repositories import Repository

ACTOR = "controller@hub"
PATIENCE = 10.0
OPERATOR = Actor(name="ops", role=Role.ADMIN, kind="token", id="12345678")


class ShiftingClock:
    """The machine's clock, which a test may put forward; whoever sleeps wakes when his moment has come."""

    def __init__(self) -> None:
        self._offset = timedelta()
        self._shifted = asyncio.Event()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    async def sleep(self, seconds: float) -> None:
        until = self.now() + timedelta(seconds=seconds)
        while (left := (until - self.now()).total_seconds()) > 0:
            shifted = self._shifted
            try:
                async with asyncio.timeout(left):
                    await shifted.wait()
            except TimeoutError:
                continue

    def shift(self, seconds: float) -> None:
        """Put time forward."""
        self._offset += timedelta(seconds=seconds)
        shifted, self._shifted = self._shifted, asyncio.Event()
        shifted.set()


async def nothing(_world: World, _name: str) -> Result:
    """Have nothing to do."""
    return Done()


class Board:
    """Hears every notice."""

    def __init__(self) -> None:
        self.posted: list[Notice] = []
        self.letters: list[Letter] = []
        self.ended: list[tuple[str, str]] = []
        self._standing: set[tuple[str, str]] = set()

    async def post(self, notice: Notice) -> None:
        if notice.problem is not None:
            if (notice.subject, notice.problem) in self._standing:
                return
            self._standing.add((notice.subject, notice.problem))
        self.posted.append(notice)

    async def over(self, subject: str, problem: str, notice: Notice) -> None:
        assert notice.subject == subject
        if (subject, problem) in self._standing:
            self._standing.discard((subject, problem))
            self.ended.append((subject, problem))

    async def settle(self) -> datetime | None:
        return None

    async def write(self, letters: Sequence[Letter]) -> None:
        self.letters.extend(letters)

    def occasions(self, subject: str) -> list[str]:
        return [str(one.occasion) for one in self.posted if one.subject == subject]


@dataclass(slots=True)
class Land:
    """What outlives a controller: servers, store, clock, the config repository and the watched one."""

    folder: Path
    clock: ShiftingClock = field(default_factory=ShiftingClock)
    bad: set[str] = field(default_factory=set)
    slow: dict[str, float] = field(default_factory=dict)
    worked: list[tuple[str, str]] = field(default_factory=list)
    board: Board = field(default_factory=Board)
    fleet: SimulatedFleet = field(init=False)
    store: MemoryStore = field(init=False)
    config: Repository = field(init=False)
    app: Repository = field(init=False)

    def __post_init__(self) -> None:
        self.fleet = SimulatedFleet(self.clock, self._behave)
        self.store = MemoryStore(self.clock)
        self.config = Repository(self.folder / "config")
        self.app = Repository(self.folder / "app")
        self.app.commit({"app.txt": "1"})

    def _behave(self, server: str, spec: AttemptSpec) -> Program:
        self.worked.append((spec.env["CTL_TARGET"], server))
        seconds = self.slow.get(server, 0.0)
        return Program(seconds=seconds, exit_code=int(server in self.bad))

    def declare(
        self, targets: str, *, servers: str = "{web-1: {}, web-2: {}}", more: str = ""
    ) -> None:
        """Commit declarations: targets as YAML, and the servers."""
        self.config.commit(
            {
                "ctl.yaml": f"settings: {{config: {{interval: 60s}}}}\n{more}",
                "inventory/servers.yaml": f"servers: {servers}\n",
                "pipelines/main.yaml": (
                    f"repos: {{app: {{url: '{self.app.url}', interval: 1h}}}}\n"
                    "tasks: {deploy: {run: deploy}}\n"
                    f"targets:\n{targets}"
                ),
            }
        )


class PlayedWorks(Works):
    """Builds the rooms of a controller with simulated servers."""

    land: Land

    def reach(self, declaration: Declaration, known_hosts: bytes) -> Reach:
        return replace(super().reach(declaration, known_hosts), dialer=self.land.fleet)


@dataclass(slots=True)
class Estate:
    """One controller that stays."""

    land: Land
    world: World
    serving: LiveServing
    worker: Worker
    scheduler: Scheduler

    @property
    def controller(self) -> LocalController:
        return self.serving.controller(OPERATOR)

    async def look_at_config(self) -> None:
        """Wish for a look at the declarations, and wait until it was taken."""
        head = self.land.config.head
        await self.world.poke(CONFIG, why="test")
        await self.until(
            lambda: (
                (self.world.generation is not None and self.world.generation.revision.sha == head)
                or (self.world.invalid is not None and self.world.invalid.sha == head)
            )
        )

    async def push(self, content: str) -> str:
        """Commit to the watched repo, and say so as a webhook would."""
        sha = self.land.app.commit({"app.txt": content})
        await self.world.poke(Key(Kind.REPO, "app"), why="webhook", after=5.0)
        return sha

    async def records(self) -> Mapping[tuple[str, str], Applied]:
        return await self.land.store.records.all()

    async def jobs(self, run: RunId | None = None) -> tuple[Job, ...]:
        """List jobs, the oldest first."""
        return tuple(reversed(await self.land.store.jobs.list(run=run, limit=1000)))

    async def said(self) -> Mapping[str, Said]:
        return await all_said(self.land.store.marks)

    async def until(self, true: Callable[[], bool | Awaitable[bool]]) -> None:
        """Wait until something is so."""
        tries = 0
        while True:
            found = true()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.01)
            tries += 1
            assert tries < PATIENCE * 100, await self._as_it_is()

    async def _as_it_is(self) -> str:
        """Say how everything stands, for a test that waits in vain."""
        jobs = [(j.target, j.server, str(j.state), j.reason, j.run) for j in await self.jobs()]
        keys = [(w.key, w.due, w.owned) for w in await self.world.queue.waiting()]
        return f"{self.world.invalid}\n{await self.said()}\n{jobs}\n{keys}\n{self.land.worked}"

    async def applied(self, target: str, *servers: str, commit: str | None = None) -> None:
        """Wait until a target is in force on servers."""

        async def there() -> bool:
            records = await self.records()
            found = [records.get((target, server)) for server in servers]
            return all(
                one is not None
                and one.applied is not None
                and one.tried is None
                and (commit is None or one.commit == commit)
                for one in found
            )

        await self.until(there)

    async def quiet(self) -> None:
        """Wait until nothing is in work and nothing is due."""

        async def idle() -> bool:
            now = self.land.clock.now()
            waiting = await self.world.queue.waiting()
            return not any(one.owned or (one.due is not None and one.due <= now) for one in waiting)

        for _ in range(3):
            await self.until(idle)
            await asyncio.sleep(0.02)

    async def ended(self, number: int) -> list[Job]:
        """Wait until so many jobs have ended; give those."""
        found: list[Job] = []

        async def there() -> bool:
            found[:] = [job for job in await self.jobs() if job.state.ended]
            return len(found) >= number

        await self.until(there)
        return found


@asynccontextmanager
async def estate(
    land: Land, *, begin: bool = True, table: Mapping[Kind, Reconciler] | None = None
) -> AsyncIterator[Estate]:
    """Open a controller on a land; leaving the context kills it: its parts are cancelled wherever they are."""
    state = prepare(land.folder / "state")
    variables = {"HOME": str(land.folder), "PATH": "/usr/bin:/bin"}
    options = Options(actor=ACTOR, variables=variables, clock=land.clock)
    async with AsyncExitStack() as stack:
        works = PlayedWorks(options, resolve(variables, flags={}), land.store, state, stack)
        works.land = land
        tracked = TrackedConfig(
            url=str(land.config.path), branch="main", folder=land.folder / "mirror"
        )
        saver = Saver(StateLock(state, clock=land.clock), ACTOR, mine=True)
        force, queue = InForce(), MemoryQueue(land.clock)
        base = works.rooms(tracked, saver.saving)
        reach = Reach(keyring=works.keyring(Declaration()), dialer=force.dialer)
        live = Live(lambda: works.engine(reach), store=land.store, queue=queue, clock=land.clock)
        rooms: Rooms = replace(base, engine=live.handle, in_force=force.loaded, proved=True)
        news = News(land.store.newsroom, land.clock)
        world = World(
            rooms=rooms,
            queue=queue,
            config=tracked,
            force=force,
            live=live,
            news=news,
            notices=land.board,
        )
        made = Estate(
            land=land,
            world=world,
            serving=LiveServing(world, version="0"),
            worker=Worker(world, table or TABLE),
            scheduler=Scheduler(world),
        )
        parts = [made.worker.run(), made.scheduler.run(), news.write()] if begin else []
        tasks = [asyncio.ensure_future(part) for part in parts]
        try:
            yield made
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            await queue.close()
        for end in ends:
            if isinstance(end, BaseException) and not isinstance(end, asyncio.CancelledError):
                raise end
