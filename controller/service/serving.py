"""The controller that stays: opened on a state, its parts started in order, and stopped in reverse.

Called by `ctl serve`; calls `ground`, `staying`, `gates` and the loop. SIGTERM and SIGINT stop it: no new work is begun, what runs on
servers goes on and is found again by the next start. A second signal ends the process at once. SIGHUP has the config repository and
all repos looked at now.
"""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from controller import __version__
from controller.jobs.moments import Moments
from controller.reconcile.loop.accepting import follow as follow_others
from controller.reconcile.loop.force import InForce
from controller.reconcile.loop.keys import CONFIG, Key, Kind
from controller.reconcile.loop.live import Live
from controller.reconcile.loop.moments import MomentNotices
from controller.reconcile.loop.news import News
from controller.reconcile.loop.notices import Noticeboard
from controller.reconcile.loop.scheduler import Scheduler
from controller.reconcile.loop.serving import LiveServing
from controller.reconcile.loop.supervisor import Process, Run, Supervisor
from controller.reconcile.loop.table import TABLE
from controller.reconcile.loop.worker import Worker
from controller.reconcile.loop.world import World
from controller.secrets.allowed import DEFAULT, parse_allow, refusals
from controller.service.collecting import Collecting, by_hand
from controller.service.follow import follow
from controller.service.gates import TOKEN_FILE, AgentsDoor, api_server, first_token
from controller.service.ground import Ground, stand
from controller.service.local import always
from controller.service.logs import read_by_journal, write_logs
from controller.service.options import Options, Part, ServeOptions
from controller.service.renewals import Renewals
from controller.service.staying import StayingWorks
from controller.service.systemd import Systemd
from controller.service.works import new_id
from controller.settings import Settings, resolve

LOG: Final = logging.getLogger(__name__)
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
THREADS: Final = 32
"""Of the process, for what waits or computes beside the loop."""
AT_ONCE: Final = 130
"""The exit code of a process that was told twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staying:
    """A serving controller with everything it is made of, started or not."""

    world: World
    serving: LiveServing
    worker: Worker
    supervisor: Supervisor
    url: str


async def serve(options: ServeOptions, *, say: Callable[[str], None]) -> int:
    """Serve until somebody asks this process to stop.

    Args:
        options: what was asked for.
        say: tells people, a line at a time.

    Returns:
        the exit code of the process.

    Raises:
        LockedError: another process acts on the state.
        StateError: the state cannot be used, or not any more.
        UsageError: what was asked for cannot be.
    """
    systemd = Systemd(options.variables)
    # A reload that comes while everything is being opened is not the end: what it asks for is done then anyway.
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, lambda: None)
    # Git and planning wait in threads: a few that are slow must not keep the others waiting.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
    async with staying(options, say=say) as made:
        collecting = Collecting(options.clock, lambda: made.world.generation)
        with by_hand(), stopped_by_signals(made, drain=options.drain, systemd=systemd):
            beside = [
                asyncio.create_task(_beat(systemd, options)),
                asyncio.create_task(collecting.run()),
            ]
            try:
                systemd.ready(f"serving {made.url}")
                await made.supervisor.run()
            finally:
                for each in beside:
                    each.cancel()
                await asyncio.gather(*beside, return_exceptions=True)
    return 0


@asynccontextmanager
async def staying(options: ServeOptions, *, say: Callable[[str], None]) -> AsyncIterator[Staying]:
    """Open a serving controller; its parts begin with `supervisor.run`."""
    settings = resolve(options.variables, flags={})
    async with AsyncExitStack() as stack:
        ground = await stand(options, settings, stack)
        yield await _build(options, settings, ground, stack, say)


async def _build(
    options: ServeOptions,
    settings: Settings,
    ground: Ground,
    stack: AsyncExitStack,
    say: Callable[[str], None],
) -> Staying:
    """Put everything together, from the state up to the doors."""
    works = _works(options, settings, ground, stack)
    write_logs(works.masker, options.variables, debug=options.debug)
    force, news = InForce(), News(ground.store.newsroom, options.clock)
    stack.push_async_callback(force.close)
    world, moments = _world(options, ground, works, force=force, news=news)
    serving = LiveServing(world, version=__version__)
    worker = Worker(world, TABLE, places=options.workers)
    # Parts end in reverse: what the worker tells is written down after it has ended.
    parts: dict[str, Run] = {
        "lease": partial(ground.hold, options.clock),
        "news": news.write,
        "moments": moments.write,
    }
    url = ground.name
    if Part.API in options.parts:
        server = api_server(serving, options.doors, options.papers)
        url = "{}://{}:{}".format("https" if options.doors.certificate else "http", *server.bind())
        say(f"serving {url}")
        token = await first_token(ground, world.rooms.activity, options)
        if token is not None:
            # The journal keeps what it reads, and many may read it.
            hidden = read_by_journal(options.variables)
            shown = "made" if hidden else f"shown this once: {token}"
            say(f"admin token, {shown} (kept in {ground.folder / TOKEN_FILE})")
        parts[Part.API] = server.run
    else:
        say(f"serving {url} as {', '.join(sorted(options.parts))}")
    if Part.SCHEDULER in options.parts:
        parts[Part.SCHEDULER] = Scheduler(world).run
    if Part.WORKER in options.parts:
        works.renew = Renewals(options.papers, world, clock=options.clock).answer
        await _take_agents(options, ground, works, stack, world=world, say=say)
        parts[Part.WORKER] = worker.run
    supervisor = Supervisor(
        parts,
        shelf=ground.store.parts,
        clock=options.clock,
        process=Process(
            instance=new_id(), host=settings.person.host, pid=os.getpid(), version=__version__
        ),
        beat=partial(_follow, world),
        late=partial(_late, world),
    )
    return Staying(world=world, serving=serving, worker=worker, supervisor=supervisor, url=url)


def _works(
    options: ServeOptions, settings: Settings, ground: Ground, stack: AsyncExitStack
) -> StayingWorks:
    """Make the maker of rooms."""
    return StayingWorks(
        Options(
            actor=options.actor,
            papers=options.papers,
            parallel=options.parallel,
            progress=options.tell,
            variables=options.variables,
            clock=options.clock,
        ),
        settings,
        ground.store,
        ground.folder,
        stack,
        cluster=ground.cluster,
        epoch=ground.epoch,
        allowed=parse_allow(DEFAULT if options.allow is None else options.allow),
        age_key=options.age_key,
    )


def _world(
    options: ServeOptions,
    ground: Ground,
    works: StayingWorks,
    *,
    force: InForce,
    news: News,
) -> tuple[World, MomentNotices]:
    """Make what the loop works with, and the listener that turns moments of jobs into notices."""
    store, clock = ground.store, options.clock
    config = follow(
        options.source, ground.folder, forms=works.forms, clock=clock, kept=works.connections
    )
    board = Noticeboard(store.outbox, force, ground.queue, clock, works.masker)
    moments = MomentNotices(board, new_id)
    watcher = Moments(news, moments)
    live = Live(
        partial(works.make_engine, force.dialer, force.secret, watcher),
        store=store,
        queue=ground.queue,
        clock=clock,
    )
    rooms = replace(
        works.rooms(config, always), engine=live.handle, in_force=force.loaded, state=ground.name
    )
    world = World(
        rooms=rooms,
        queue=ground.queue,
        config=config,
        force=force,
        live=live,
        news=news,
        notices=board,
        refusals=lambda declaration: refusals(declaration, works.allowed),
        papers=options.papers.folder,
    )
    return world, moments


async def _take_agents(
    options: ServeOptions,
    ground: Ground,
    works: StayingWorks,
    stack: AsyncExitStack,
    *,
    world: World,
    say: Callable[[str], None],
) -> None:
    """Listen for agents that dial, where that is asked for."""
    place = options.doors.agents
    if place is None:
        return
    door = AgentsDoor(
        ground,
        options.papers,
        clock=options.clock,
        connectivity=world.rooms.connectivity,
        arrived=partial(_arrived, world),
        renew=works.renew,
    )
    works.listener = door.listener
    await door.listener.start(place.host, place.port)
    stack.push_async_callback(partial(door.listener.close, restarting=True))
    say(f"taking agents on {place.host}:{door.listener.port}")


@contextmanager
def stopped_by_signals(made: Staying, *, drain: bool, systemd: Systemd) -> Iterator[None]:
    """Stop at the first signal, and end at the second; the handlers of before come back."""
    loop = asyncio.get_running_loop()
    stopping: list[asyncio.Task[None]] = []

    def stop() -> None:
        if stopping:
            os._exit(AT_ONCE)
        systemd.stopping()
        LOG.info("stopping; what runs on servers goes on")
        stopping.append(loop.create_task(_stop(made, drain=drain)))

    looking: set[asyncio.Task[None]] = set()

    def look() -> None:
        task = loop.create_task(_look(made))
        looking.add(task)
        task.add_done_callback(looking.discard)

    for one in SIGNALS:
        loop.add_signal_handler(one, stop)
    loop.add_signal_handler(signal.SIGHUP, look)
    try:
        yield
    finally:
        for one in (*SIGNALS, signal.SIGHUP):
            loop.remove_signal_handler(one)


async def _look(made: Staying) -> None:
    """Have the config repository and every repo looked at now, as who reloads a service expects, and everything decided anew."""
    LOG.info("looking at the config repository and all repos")
    world = made.world
    generation = world.generation
    names = () if generation is None else tuple(generation.declaration.repos)
    for key in (CONFIG, *(Key(Kind.REPO, name) for name in names)):
        await world.poke(key, why="SIGHUP")
    made.serving.wake()


async def _stop(made: Staying, *, drain: bool) -> None:
    if drain:
        await made.worker.drain()
    made.supervisor.stop()


async def _arrived(world: World, name: str) -> None:
    """Have a server looked at whose agent has just dialled in."""
    await world.poke(Key(Kind.SERVER, name), why="its agent dialled in")


async def _follow(world: World) -> None:
    """Heed what other processes of the state did."""
    await world.follow_hold()
    await follow_others(world)


def _late(world: World, seconds: float) -> None:
    world.counts.lag = seconds


async def _beat(systemd: Systemd, options: ServeOptions) -> None:
    """Tell systemd that the loop turns."""
    seconds = systemd.beat_seconds
    while seconds is not None:
        systemd.alive()
        await options.clock.sleep(seconds)
