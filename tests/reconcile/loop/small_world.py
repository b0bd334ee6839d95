"""A world for tests of single reconcilers: a house with declarations in force, a queue that only remembers, and a board on a wall."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from controller.clock import Clock
from controller.jobs.engine import Engine
from controller.model.ids import RunId
from controller.model.job import Job
from controller.model.notice import Letter, Notice
from controller.reconcile.exchange.requests import RunRequest
from controller.reconcile.loop.force import InForce
from controller.reconcile.loop.generation import Generation
from controller.reconcile.loop.live import Live
from controller.reconcile.loop.news import News
from controller.reconcile.loop.world import World
from controller.reconcile.walk.repos import reach_of
from controller.reconcile.walk.seen import Seen
from controller.reconcile.walk.steps import LOOK, walk
from controller.source.tracked import TrackedConfig
from controller.workqueue.memory import MemoryQueue
from tests.fakes.house import House, Town, house
from tests.fakes.jumping_clock import JumpingClock

START = datetime(2026, 12, 1, 2, tzinfo=UTC)


class Remembered(MemoryQueue):
    """A queue that knows what was added since somebody asked."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._added: set[str] = set()

    async def add(self, key: str, *, after: float = 0.0, priority: int = 0) -> None:
        self._added.add(key)
        await super().add(key, after=after, priority=priority)

    def news(self) -> set[str]:
        """Give what was added since this was asked last."""
        added, self._added = self._added, set()
        return added


@dataclass
class Board:
    """A noticeboard that knows which troubles stand."""

    posted: list[Notice] = field(default_factory=list)
    ended: list[tuple[str, str, Notice]] = field(default_factory=list)

    async def post(self, notice: Notice) -> None:
        if notice.id not in {one.id for one in self.posted}:
            self.posted.append(notice)

    async def over(self, subject: str, problem: str, notice: Notice) -> None:
        self.ended.append((subject, problem, notice))

    async def settle(self) -> datetime | None:
        return None

    async def write(self, letters: Sequence[Letter]) -> None:
        """Nobody is written to."""


@dataclass(slots=True, kw_only=True)
class SmallWorld:
    """A world, the house in it, and short ways to ask it for something."""

    house: House
    world: World
    queue: Remembered
    board: Board
    force: InForce

    @property
    def now(self) -> datetime:
        return self.world.rooms.clock.now()

    async def declare(self, text: str, servers: int | str = 0) -> None:
        """Commit declarations and put them in force."""
        self.house.declare(text, servers)
        await self.in_force()

    async def in_force(self) -> None:
        """Put what was committed last in force."""
        seen = await walk(self.house.rooms, Seen(), LOOK)
        assert seen.revision is not None
        await self.force.change(Generation(seen=seen, revision=seen.revision, at=self.now))

    async def drive(self, run: str) -> tuple[Job, ...]:
        """Drive a run to its end, as the reconciler of runs does."""
        return (await self.world.live.drive(RunId(run))).jobs

    def asked(self, target: str) -> RunRequest:
        """Give what `ctl run --target` asks."""
        return RunRequest(target=target)

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.house.town.jump(self.now + timedelta(seconds=seconds))


@asynccontextmanager
async def small_world(folder: Path, *, start: datetime = START) -> AsyncIterator[SmallWorld]:
    """Build a world in a folder, which must not be there yet; nothing is declared in it."""
    town = Town(clock=JumpingClock(start))
    async with house(folder, town) as home:
        force, queue, board = InForce(), Remembered(town.clock), Board()
        reach = replace(reach_of(await walk(home.rooms, Seen(), LOOK)), dialer=force.dialer)
        store, clock = home.rooms.store, home.rooms.clock

        def make() -> Engine:
            engine = home.rooms.engine(reach)
            assert isinstance(engine, Engine)
            return engine

        live = Live(make, store=store, queue=queue, clock=clock)
        rooms = replace(home.rooms, engine=live.handle)
        world = World(
            rooms=rooms,
            queue=queue,
            config=TrackedConfig(
                url=str(home.config.path), branch="main", folder=folder / "mirror"
            ),
            force=force,
            live=live,
            news=News(store.newsroom, clock),
            notices=board,
        )
        yield SmallWorld(house=home, world=world, queue=queue, board=board, force=force)
        await force.close()
        await queue.close()
