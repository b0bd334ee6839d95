"""A whole world in one loop: a controller that dies and begins anew, servers that fall, networks that break, clocks that are set.

The loop, its reconcilers, plans, gates, the queue and the engine are the real ones; store, git, servers and time are played. What
is not durable is lost at each death. `SimWorld` has one method for each thing that may happen, and holds the world to the promises
of the oracle after each of them.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import cast

from controller.api.brief import Brief
from controller.errors import ControllerError
from controller.model.declaration import Declaration
from controller.model.ids import JobId, Sha
from controller.model.job import Job, State, Trigger
from controller.model.token import Actor, Role
from controller.reconcile.controller import LocalController
from controller.reconcile.exchange.requests import RunRequest
from controller.reconcile.loop.force import InForce
from controller.reconcile.loop.keys import CONFIG, Key, Kind
from controller.reconcile.loop.live import Live
from controller.reconcile.loop.news import News
from controller.reconcile.loop.scheduler import Scheduler
from controller.reconcile.loop.table import TABLE
from controller.reconcile.loop.worker import Worker
from controller.reconcile.loop.world import Followed, World
from controller.reconcile.rooms import Reach, Rooms
from controller.reconcile.said import all_said
from controller.service.local import always
from controller.service.options import Options
from controller.service.works import Works
from controller.settings import resolve
from controller.store.folder import prepare
from controller.store.ports import Store
from controller.transport.port import AttemptSpec
from controller.workqueue.memory import MemoryQueue
from tests.fakes.fleet import Program
from tests.faults import oracle
from tests.jobs.rig import MemoryArtifacts, MemoryOutput
from tests.reconcile.loop.estate import Board
from tests.simulation.places import (
    Lifeline,
    MortalLog,
    MortalStore,
    Origin,
    QuickStore,
    SimConfig,
    SimDialer,
    SimFleet,
    SimMirrors,
    Weather,
)
from tests.simulation.quiet import AtOnce, QuietClock, settle

OPERATOR = Actor(name="ops", role=Role.ADMIN, kind="token", id="12345678")
SERVERS = ("web-1", "web-2", "web-3")
HEALED_SECONDS = 60.0
"""So long after everything can be reached nothing may be on its way."""
AT_LAST_SECONDS = 7200.0
"""So long after that every target is in force at the newest commit."""
LONGEST_WORK = 40.0
SETTINGS = resolve({"HOME": "/nonexistent", "TZ": "UTC"}, flags={})
SIM_SCHEDULE = "{cron: '*/7 * * * *', timezone: UTC}"


def declared(version: int, *, valid: bool = True) -> dict[str, str]:
    """Write declarations; each version changes what one target does."""
    servers = ", ".join(f"{name}: {{}}" for name in SERVERS)
    task = "note" if valid else "nothing-like-this"
    return {
        "ctl.yaml": "settings: {config: {interval: 60s}}\n",
        "inventory/servers.yaml": f"servers: {{{servers}}}\n",
        "pipelines/main.yaml": (
            "repos: {app: {url: 'file:///origin', interval: 1m}}\n"
            f"tasks: {{deploy: {{run: deploy}}, note: {{run: 'note {version}'}}}}\n"
            "targets:\n"
            "  shop: {task: deploy, servers: 'web-*', repo: app}\n"
            "  waves: {task: deploy, servers: 'web-*', repo: app, rollout: {batch: 1, max_failures: 3}}\n"
            f"  notes: {{task: {task}, servers: web-1, after: [shop]}}\n"
            f"  tick: {{task: note, servers: web-2, schedule: {SIM_SCHEDULE}}}\n"
        ),
    }


FOLLOWING = ("shop", "waves", "notes")
"""Targets that are in force when everything is well."""


class SimWorks(Works):
    """Builds the rooms of one life."""

    def __init__(self, land: "Land", life: Lifeline, stack: AsyncExitStack) -> None:
        variables = {"HOME": str(land.folder), "PATH": "/usr/bin:/bin"}
        options = Options(actor="controller@hub", variables=variables, clock=land.clock)
        store = cast("Store", MortalStore(land.store, life))
        super().__init__(options, SETTINGS, store, land.state, stack)
        self._life = life
        self._land = land
        self._output = land.output  # type: ignore[assignment]  # the engine knows the port only
        self._artifacts = land.artifacts  # type: ignore[assignment]
        self._mirrors = SimMirrors(land.state, land.app, land.fetched)
        self._activity = MortalLog(land.told, life)  # type: ignore[assignment]
        self._connectivity = MortalLog([], life)  # type: ignore[assignment]

    def reach(self, declaration: Declaration, known_hosts: bytes) -> Reach:
        return replace(
            super().reach(declaration, known_hosts), dialer=SimDialer(self._land.fleet, self._life)
        )


@dataclass(slots=True)
class Land:
    """What outlives a controller."""

    folder: Path
    rng: Random
    clock: QuietClock = field(default_factory=QuietClock)
    fetched: set[Sha] = field(default_factory=set)
    in_force: list[Sha] = field(default_factory=list)
    told: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    app: Origin = field(default_factory=Origin)
    config: Origin = field(default_factory=Origin)
    output: MemoryOutput = field(default_factory=MemoryOutput)
    artifacts: MemoryArtifacts = field(default_factory=MemoryArtifacts)
    state: Path = field(init=False)
    store: QuickStore = field(init=False)
    fleet: SimFleet = field(init=False)
    written: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.state = prepare(self.folder / "state")
        self.store = QuickStore(self.clock)
        self.fleet = SimFleet(self.clock, self._behave, self.rng)

    def _behave(self, _server: str, spec: AttemptSpec) -> Program:
        output = f"{spec.id}\n".encode() * self.rng.randrange(20)
        self.written[spec.id] = output
        return Program(seconds=self.rng.random() * LONGEST_WORK, output=output)


@dataclass(slots=True)
class Being:
    """One life of a controller."""

    life: Lifeline
    world: World
    rooms: Rooms
    parts: list[asyncio.Task[None]]
    stack: AsyncExitStack

    @property
    def person(self) -> LocalController:
        """What the API calls on behalf of somebody; it answers when a run is recorded."""
        rooms = replace(self.rooms, actor=OPERATOR.name)
        return LocalController(replace(rooms, engine=lambda reach: Brief(self.rooms.engine(reach))))


class AtStart(Scheduler):
    """Adds every key at the start and with other declarations, and else trusts that none is lost."""

    async def _wait(self) -> bool:
        return await self._world.changed.wait()


async def be_born(land: Land, scheduler: type[Scheduler] = Scheduler) -> Being:
    """Begin a life."""
    life, stack = Lifeline(), AsyncExitStack()
    works = SimWorks(land, life, stack)
    config = SimConfig(land.config, land.in_force)
    force, queue = InForce(), MemoryQueue(land.clock)
    store = works._store
    base = works.rooms(config, always)  # type: ignore[arg-type]
    reach = Reach(keyring=works.keyring(Declaration()), dialer=force.dialer)
    live = Live(lambda: works.engine(reach), store=store, queue=queue, clock=land.clock)
    rooms = replace(base, engine=live.handle, in_force=force.loaded, proved=True)
    news = News(store.newsroom, land.clock)
    world = World(
        rooms=rooms,
        queue=queue,
        config=cast("Followed", config),
        force=force,
        live=live,
        news=news,
        notices=Board(),
    )
    parts = [Worker(world, TABLE).run(), scheduler(world).run(), news.write()]
    tasks = [asyncio.ensure_future(part) for part in parts]
    return Being(life=life, world=world, rooms=rooms, parts=tasks, stack=stack)


async def die(land: Land, being: Being) -> None:
    """End a life as a power cut does: nothing it would still do has any effect.

    Raises:
        BaseException: a part had ended by itself, with this.
    """
    ended = [part for part in being.parts if part.done() and not being.life.over]
    being.life.over = True
    for name in SERVERS:
        land.fleet.cut(name)
    for task in being.parts:
        task.cancel()
    await asyncio.gather(*being.parts, return_exceptions=True)
    await being.world.queue.close()
    await being.stack.aclose()
    await settle()
    for part in ended:
        part.result()
        raise AssertionError("a part ended by itself")


class SimWorld:
    """The world, and everything that may happen in it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.rng = Random(seed)  # noqa: S311 - a world is to be made again
        self.land = Land(folder, self.rng)
        self.being: Being | None = None
        self.accepted: set[str] = set()
        self.refused: Counter[str] = Counter()
        self.meddled: set[tuple[str, str]] = set()
        self.lives = 0
        self.asking: set[asyncio.Task[None]] = set()
        self._ends: dict[str, State] = {}
        self._version = 0

    async def begin(self) -> None:
        """Let there be declarations, a first commit, and a controller."""
        asyncio.get_running_loop().set_default_executor(AtOnce())
        self.land.app.commit()
        self.land.config.commit(declared(0))
        await self.start()

    async def end(self) -> None:
        """Let everything go."""
        await self.crash()

    # what may happen

    async def start(self) -> None:
        """Begin a life, where there is none."""
        if self.being is None:
            self.being = await be_born(self.land)
            self.lives += 1
            await settle()

    async def crash(self) -> None:
        """Kill the controller now."""
        if self.being is not None:
            being, self.being = self.being, None
            await die(self.land, being)
            for task in self.asking:
                task.cancel()
            await asyncio.gather(*self.asking, return_exceptions=True)
            self.asking.clear()

    async def crash_at(self, more: int, *, after: bool) -> None:
        """Kill the controller at one of its next writes, before or after that is durable."""
        if self.being is None:
            return
        life = self.being.life
        life.end_at(more, after=after)
        for _ in range(20):
            await self.land.clock.advance(1.0)
            if life.over:
                break
        await self.crash()

    async def wait(self, seconds: float) -> None:
        """Let time pass."""
        await self.land.clock.advance(seconds)

    async def stop_and_continue(self, seconds: float) -> None:
        """Let time pass while the controller is stopped, as by SIGSTOP."""
        self.land.clock.stand_still(seconds)
        await self.land.clock.advance(0.0)

    async def set_clock(self, seconds: float) -> None:
        """Set the clock on the wall."""
        self.land.clock.set_by(seconds)
        await self.land.clock.advance(0.1)

    async def commit(self, *, told: bool) -> None:
        """Let a commit arrive, and a webhook with it."""
        self.land.app.commit()
        if told and self.being is not None:
            await self.being.world.poke(Key(Kind.REPO, "app"), why="webhook", after=5.0)
        await settle()

    async def declare(self, *, valid: bool) -> None:
        """Let other declarations arrive; those with errors are mended by the next."""
        self._version += 1
        self.land.config.commit(declared(self._version, valid=valid))
        if self.being is not None:
            await self.being.world.poke(CONFIG, why="webhook")
        await settle()

    async def lay_down(self, server: str) -> None:
        """Have a server out of reach."""
        self.land.fleet.lay_down(server)
        await settle()

    async def stand_up(self, server: str) -> None:
        """Have it back."""
        self.land.fleet.stand_up(server)

    async def cut(self, server: str) -> None:
        """Break every session to a server."""
        self.land.fleet.cut(server)
        await settle()

    async def reboot(self, server: str) -> None:
        """Have a server lose its power for a moment."""
        self.land.fleet.reboot(server)
        await settle()

    async def meddle(self, server: str) -> None:
        """Have somebody delete a marker by hand, of a target that nobody holds there."""
        machine = self.land.fleet.machine(server)
        free = sorted(key for key in machine.markers if key not in machine.locks)
        if free:
            gone = self.rng.choice(free)
            del machine.markers[gone]
            self.meddled.add((gone[1], server))

    async def blow(self, weather: Weather) -> None:
        """Have another weather on the network."""
        self.land.fleet.weather = weather

    async def go_away(self, *, away: bool) -> None:
        """Have the remotes of git not answer, or answer again."""
        self.land.app.away = self.land.config.away = away

    async def ask(self, server: str) -> None:
        """Post a command, as a person does who does not wait for its end."""
        if self.being is None:
            return
        person = self.being.person

        async def post() -> None:
            try:
                report = await person.run(RunRequest(on=server, words=("work",)))
            except ControllerError as error:
                self.refused[error.reference] += 1
                return
            assert report.run is not None
            self.accepted |= {report.run.id, *(job.id for job in report.jobs)}

        self._ask(post())

    async def stop_job(self) -> None:
        """Stop a job that is under way."""
        open_ = [job for job in await self.land.store.jobs.open() if job.state is not State.LOST]
        if self.being is None or not open_:
            return
        person, job = self.being.person, self.rng.choice(open_)

        async def stop() -> None:
            try:
                await person.jobs.stop(job.id)
            except ControllerError as error:
                self.refused[error.reference] += 1

        self._ask(stop())

    def _ask(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self.asking.add(task)
        task.add_done_callback(self._answered)

    def _answered(self, task: asyncio.Task[None]) -> None:
        self.asking.discard(task)
        if not task.cancelled():
            task.result()

    async def heal(self) -> None:
        """Have everything in reach, and hold the world to what is promised then."""
        self.land.fleet.weather = Weather()
        await self.go_away(away=False)
        for name in SERVERS:
            self.land.fleet.stand_up(name)
        await self.declare(valid=True)
        await self.crash()
        await self.start()
        assert self.being is not None
        await self.wait(1.0)
        for name in SERVERS:
            await self.being.world.poke(Key(Kind.SERVER, name), why="it is back")
        await self.being.world.poke(Key(Kind.REPO, "app"), why="it is back")
        await self.wait(HEALED_SECONDS)
        await self.check()
        await self.at_last()

    async def at_last(self) -> None:
        """Hold the world to it that every target comes into force, and then rests."""
        left = AT_LAST_SECONDS
        while left > 0 and (missing := await self.missing()):
            await self.wait(30.0)
            left -= 30.0
        missing = await self.missing()
        oracle.demand(not missing, "I9", f"never in force: {missing}\n{await as_it_is(self)}")

    # what must hold

    async def missing(self) -> list[str]:
        """List what is not in force at the newest commit."""
        records = await self.land.store.records.all()
        found = []
        for target in FOLLOWING:
            for server in SERVERS if target != "notes" else ("web-1",):
                record = records.get((target, server))
                good = record is not None and record.applied is not None and record.tried is None
                newest = target == "notes" or (
                    record is not None and record.commit == self.land.app.head.sha
                )
                if not (good and newest):
                    found.append(f"{target} on {server}")
        return found

    async def check(self) -> None:
        """Hold the world to every promise that must hold at any moment."""
        if self.being is not None and not self.being.life.over:
            for part in self.being.parts:
                if part.done():
                    part.result()
        jobs = await self._jobs()
        recorded = {*jobs, *(job.run for job in jobs.values())}
        oracle.accepted_exist(self.accepted, recorded)
        starts = list(self.land.fleet.starts.elements())
        oracle.started_once(starts)
        oracle.as_often_as_allowed(starts, {(job, "run"): 1 for job in jobs} | _steps(jobs))
        states = {id_: job.state for id_, job in jobs.items()}
        oracle.end_stayed(self._ends, states)
        self._ends = states
        self._one_at_a_time(jobs)
        self._not_again(jobs)

    async def check_ledgers(self) -> None:
        """Hold every ledger and every output to their promises; slower than the rest."""
        jobs = await self._jobs()
        for id_, job in jobs.items():
            oracle.ends_stay(id_, await self.land.store.jobs.events(JobId(id_)))
            stored = {one: bytes(data) for one, data in self.land.output.files.items()}
            written = cast("Mapping[object, bytes]", self.land.written)
            oracle.output_whole(job, written, stored)  # type: ignore[arg-type]

    async def _jobs(self) -> dict[str, Job]:
        found = await self.land.store.jobs.list(limit=100_000)
        return {job.id: job for job in reversed(found)}

    def _one_at_a_time(self, jobs: Mapping[str, Job]) -> None:
        """A target is worked on by one job at a time on each server."""
        going: Counter[tuple[str, str]] = Counter()
        for job in jobs.values():
            if job.target is not None and job.state in {State.DISPATCHED, State.RUNNING}:
                going[job.target, job.server] += 1
        more = [key for key, count in going.items() if count > 1]
        oracle.demand(not more, "one at a time", f"several jobs at once: {more}")

    def _not_again(self, jobs: Mapping[str, Job]) -> None:
        """What succeeded does not run again by itself, unless something else came in between."""
        last: dict[tuple[str, str], str] = {}
        for job in jobs.values():
            if job.target is None or job.state is not State.SUCCEEDED:
                continue
            pair = (job.target, job.server)
            same = job.trigger is Trigger.INPUTS and last.get(pair) == job.digest
            again = same and pair not in self.meddled
            oracle.demand(not again, "not again", f"{pair} ran {job.digest[:8]} again ({job.id})")
            last[pair] = job.digest


def _steps(jobs: Mapping[str, Job]) -> dict[tuple[str, str], int]:
    return {(id_, step.name): 1 for id_, job in jobs.items() for step in job.steps}


@asynccontextmanager
async def sim_world(folder: Path, seed: int) -> AsyncIterator[SimWorld]:
    """Make a world, and take it away."""
    world = SimWorld(folder, seed)
    await world.begin()
    try:
        yield world
    finally:
        await world.end()


async def as_it_is(world: SimWorld) -> str:
    """Say how a world stands, for a message."""
    said = await all_said(world.land.store.marks)
    jobs = [
        f"{job.id} {job.target} {job.server} {job.state} {job.trigger} {job.reason} {job.run}"
        for job in (
            *await world.land.store.jobs.open(),
            *await world.land.store.jobs.list(limit=5),
        )
    ]
    keys = [] if world.being is None else await world.being.world.queue.waiting()
    queue = [f"{one.key} {one.due} {one.fails} {one.owned}" for one in keys]
    return "\n".join([str(world.land.clock.now()), *map(str, said.items()), *jobs, *queue])
