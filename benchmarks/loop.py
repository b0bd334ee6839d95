"""A serving controller with 5,000 servers and 25,000 applied pairs: how long one status, one decision and one look hold everybody else.

The loop is held while its thread computes between two turns: that is told in processor time of that thread, which other programs do
not change. Records, markers and contacts are those of a fleet on which everything is in force; then one push makes every pair of
one target differ.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks.measure import Row
from controller.cli.doorway import tune_collector
from controller.declaration import pairs
from controller.jobs.marker import encode_marker, manifest, marker_digest
from controller.model.applied import Applied
from controller.model.inventory import Server
from controller.model.observation import MarkerSeen, ServerSeen
from controller.model.serving import Contact
from controller.model.work import Pair
from controller.reconcile import status
from controller.reconcile.loop import servers, targets
from controller.reconcile.loop.accepting import load, put_in_force
from controller.reconcile.loop.force import InForce
from controller.reconcile.loop.news import News
from controller.reconcile.loop.scheduler import Scheduler
from controller.reconcile.loop.world import World
from controller.service.collecting import Collecting, by_hand
from controller.source.tracked import TrackedConfig
from controller.workqueue.memory import MemoryQueue
from tests.api.serving import House, house
from tests.e2e.fleet import Fleet, launched
from tests.reconcile.loop.estate import Board

SERVERS = 5_000
DECLARED = f"""\
servers:
  web-[0001:{SERVERS}].example.com: {{groups: [web], active: true}}
tasks: {{hello: {{run: echo hello}}}}
targets:
  agent: {{servers: web, task: hello}}
  base: {{servers: web, task: hello}}
  metrics: {{servers: web, task: hello}}
  shop: {{servers: web, task: hello}}
  users: {{servers: web, task: hello}}
"""
HELD = "held ≤ 50 ms"
TICK = 0.002


@dataclass(slots=True)
class Watch:
    """What the loop's thread spent between two turns at most, and how late it woke up."""

    spent: float = 0.0
    late: float = 0.0
    total: float = 0.0
    wall: float = 0.0

    async def look(self) -> None:
        """Look at every turn."""
        spent, at = time.thread_time(), time.perf_counter()
        while True:
            await asyncio.sleep(TICK)
            now, moment = time.thread_time(), time.perf_counter()
            self.spent, self.late = max(self.spent, now - spent), max(self.late, moment - at - TICK)
            spent, at = now, moment


async def watched(do: Callable[[], Awaitable[object]]) -> Watch:
    """Do something, and see how the loop fares meanwhile."""
    watch = Watch()
    looking = asyncio.create_task(watch.look())
    await asyncio.sleep(0.01)
    watch.spent = watch.late = 0.0
    began, cpu = time.perf_counter(), time.process_time()
    await do()
    await asyncio.sleep(0)
    watch.wall, watch.total = time.perf_counter() - began, time.process_time() - cpu
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    return watch


def main(rounds: int = 3) -> list[Row]:
    """Measure all of it."""
    tune_collector()
    with by_hand():  # both as `ctl serve` does
        return asyncio.run(_measure(rounds))


async def _measure(rounds: int) -> list[Row]:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder, launched(Path(folder)) as fleet:
        async with _world(fleet, Path(folder)) as world:
            asked: tuple[tuple[str, Callable[[], Awaitable[object]]], ...] = (
                ("the status, nothing kept", lambda: status.status(world.rooms)),
                ("deciding about a target", lambda: targets.reconcile(world, "base")),
                ("looking at a server", lambda: _look(world)),
                ("adding every key", lambda: Scheduler(world).sweep()),
            )
            for name, do in asked:
                seen = [await watched(do) for _ in range(rounds + 1)][1:]
                rows.append(told(name, sorted(seen, key=lambda one: one.spent)[len(seen) // 2]))
            fleet.declare(DECLARED.replace("echo hello", "echo other"))
            rows.append(
                told("other declarations come into force", await watched(lambda: _newest(world)))
            )
            deciding = await watched(lambda: targets.reconcile(world, "base"))
            rows.append(told(f"a decision that records {SERVERS:,} jobs", deciding))
    return rows


def told(name: str, seen: Watch) -> Row:
    """Say how long the loop was held."""
    held, late = f"held {seen.spent * 1000:.0f} ms", f"late {seen.late * 1000:.0f} ms"
    what = f"loop, {SERVERS:,} servers x 5 targets: {name}"
    return (what, f"{held}, {late}; {seen.wall:.2f} s in all", HELD)


async def _newest(world: World) -> None:
    """Put the newest declarations in force, as the loop does."""
    found = await world.config.look()
    generation = await load(world, found.revision)
    await world.config.accept(found.revision.sha)
    await put_in_force(world, generation)


async def _look(world: World) -> None:
    """Look at a server that nobody can log in to; what is wanted there is worked out all the same."""
    generation = world.generation
    assert generation is not None
    server = generation.declaration.inventory.servers["web-0042.example.com"]
    await servers.look(world, generation, server)


@asynccontextmanager
async def _world(fleet: Fleet, folder: Path) -> AsyncIterator[World]:
    """Open a controller in whose state everything is in force, and in whose queue nobody works."""
    async with house(fleet, declared=DECLARED) as home:
        await _fill(home)
        force, base = InForce(), home.small.base
        world = World(
            rooms=replace(base, engine=home.small.live.handle, in_force=force.loaded),
            queue=MemoryQueue(base.clock),
            config=TrackedConfig(
                url=str(fleet.config.path), branch="main", folder=folder / "mirror"
            ),
            force=force,
            live=home.small.live,
            news=News(base.store.newsroom, base.clock),
            notices=Board(),
        )
        await _newest(world)
        Collecting(base.clock, lambda: world.generation).look()
        yield world
        await force.close()


async def _fill(home: House) -> None:
    """Have every pair applied, and every server looked at after that."""
    rooms, generation = home.small.base, home.small.generation
    assert generation is not None
    found = pairs.resolve(generation.declaration, {}, rooms.renderer).pairs
    now = rooms.clock.now()
    records = [
        _applied(pair, generation.declaration.inventory.servers[pair.server], now) for pair in found
    ]
    await rooms.store.records.put(records)
    markers: dict[str, dict[str, MarkerSeen]] = {}
    for record in records:
        bare = replace(record, connection=None)
        seen = MarkerSeen(record=bare, sha256=marker_digest(encode_marker(bare)))
        markers.setdefault(record.server, {})[record.target] = seen
    at = now + timedelta(seconds=1)
    await rooms.store.observations.put_servers(
        ServerSeen(
            server=name, at=at, reached=True, boot_id="b", login="root", root=True, markers=mine
        )
        for name, mine in markers.items()
    )
    names = tuple(sorted(generation.declaration.targets))
    await rooms.store.contacts.put(
        Contact(server=name, reached=True, since=now, checked_at=at, login_at=at, looked=names)
        for name in markers
    )


def _applied(pair: Pair, server: Server, now: datetime) -> Applied:
    return Applied(
        target=pair.target,
        server=pair.server,
        applied=pair.work.digest,
        manifest=manifest(pair.work.inputs),
        at=now,
        by="bench",
        task="hello",
        key="0" * 64,
        connection=server,
    )
