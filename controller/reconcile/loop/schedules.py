"""Firing the schedule of one target: once for each due time, whatever crashes, restarts or is set back.

A reconciler of the loop. What becomes of a due time is decided first and claimed then, in a row that nobody can claim again; the run
gets the id that stands in the row. Between claim and run there may be a crash: what `owing` keeps says then which run is owed. Gates
hold as for everything else; a due time that they hold is skipped, with the reason.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from controller.errors import LockedError, RefusedError, TransportError
from controller.model.declaration import Target
from controller.model.ids import RunId
from controller.model.job import Job
from controller.model.schedule import Overlap, Schedule
from controller.model.serving import Due
from controller.planning.schedules import Pending, due_words, pending
from controller.reconcile.loop import owing
from controller.reconcile.loop.firing import Firing, prepare
from controller.reconcile.loop.generation import Generation
from controller.reconcile.loop.keys import Key, Kind
from controller.reconcile.loop.live import resting
from controller.reconcile.loop.meanwhile import open_jobs, other_word
from controller.reconcile.loop.owing import Owed
from controller.reconcile.loop.recording import record
from controller.reconcile.loop.result import NOT_YET, After, Done, Result
from controller.reconcile.loop.world import World

FIRED: Final = "fired"
SKIPPED: Final = "skipped"
MISSED: Final = "missed"
BUSY_SECONDS: Final = 5.0
"""Between two looks whether the run has ended that another one waits for."""
LONGEST_SECONDS: Final = 86_400.0
"""Between two looks at a schedule, however far away its next due time is: the clock may be set meanwhile."""
STOPS: Final = 20
"""Jobs that are stopped at once."""


async def reconcile(world: World, name: str) -> Result:
    """Fire what is due of a target's schedule, and come back when the next is.

    Raises:
        SecretError: a secret of one of the jobs cannot be read.
        DeclarationError: the line or the zone cannot be read here.
    """
    generation = world.generation
    if generation is None:
        return NOT_YET
    if await world.held() is not None:
        return Done()
    target = generation.declaration.targets.get(name)
    if target is None or target.schedule is None:
        await owing.forget(world, name)
        return Done()
    now = world.rooms.clock.now()
    since = await owing.since(world, name, target.schedule, now)
    waits = await pay(world, generation, target)
    if waits is not None:
        return waits
    last = await world.rooms.store.dues.last(name)
    found = pending(target.schedule, last, since, now)
    waits = await fire(world, generation, target, found)
    return waits or _until(world, target.schedule, found.next)


def _until(world: World, schedule: Schedule, due: datetime | None) -> Result:
    if due is None:
        return Done()
    left = (due - world.rooms.clock.now()).total_seconds()
    return After(min(max(0.0, left), LONGEST_SECONDS), f"due {due_words(schedule, due)}")


async def pay(world: World, generation: Generation, target: Target) -> Result | None:
    """Record the run that a process owed which died; give when to try again where that cannot be done yet."""
    owed = await owing.owed(world, target.name)
    if owed is None:
        return None
    if await owing.unpaid(world, target.name, owed):
        made = await prepare(world, generation, target, owed.due)
        if isinstance(made, Firing):
            return await carry_out(world, target.name, owed, made)
        await tell(world, target.name, owed.due, "held", run=owed.run, reason=made)
    await owing.settle(world, target.name, owed)
    return None


async def fire(
    world: World, generation: Generation, target: Target, found: Pending
) -> Result | None:
    """Do something about what is due; give when to look again where that has to wait."""
    if found.fire is None:
        return None
    busy = await at_work(world, generation, target.name)
    if busy and target.overlap in {Overlap.QUEUE, Overlap.REPLACE}:
        if target.overlap is Overlap.REPLACE:
            await stop(world, generation, busy)
        return After(BUSY_SECONDS, f"run {busy[0].run} is still at work")
    if busy:
        await skip(world, target.name, found, f"run {busy[0].run} is still at work")
        return None
    made = await prepare(world, generation, target, found.fire)
    if isinstance(made, str):
        await skip(world, target.name, found, made)
        return None
    if await other_word(world, generation, made.seen.standing, target.name):
        return After(0.0, "something was decided while it was planned")
    return await begin(world, target.name, found, made, found.fire)


async def begin(
    world: World, name: str, found: Pending, made: Firing, due: datetime
) -> Result | None:
    """Claim a due time for a run that is promised, and record that."""
    owed = Owed(due=due, run=RunId(world.rooms.ids()))
    await owing.promise(world, name, owed)
    await miss(world, name, found, f"made up for by run {owed.run}", owed.run)
    if not await claim(world, name, owed.due, FIRED, run=owed.run, reason=made.held):
        await owing.settle(world, name, owed)
        return None
    return await carry_out(world, name, owed, made)


async def carry_out(world: World, name: str, owed: Owed, made: Firing) -> Result | None:
    """Record the run that a due time was claimed for; whoever was faster is waited for."""
    title = f"schedule {name}"
    try:
        await record(world, made.seen, made.plan, made.orders, title=title, id_=owed.run)
    except LockedError as error:
        return After(BUSY_SECONDS, error.message)
    await owing.settle(world, name, owed)
    return None


async def skip(world: World, name: str, found: Pending, reason: str) -> None:
    """Leave out what is due, with the reason; what was missed before is not made up for either."""
    await miss(world, name, found, reason, None)
    if found.fire is not None:
        await claim(world, name, found.fire, SKIPPED, reason=reason)


async def miss(world: World, name: str, found: Pending, reason: str, run: RunId | None) -> None:
    """Write down what was due while nobody was there."""
    more = "; others before it are not counted" if found.uncounted else ""
    for number, due in enumerate(found.missed):
        said = f"{reason}{more}" if number == 0 else reason
        await claim(world, name, due, MISSED, run=run, reason=said)


async def claim(
    world: World, name: str, due: datetime, outcome: str, *, run: RunId | None = None, reason: str
) -> bool:
    """Write down what becomes of a due time; false when that was written before."""
    now = world.rooms.clock.now()
    row = Due(target=name, due=due, at=now, outcome=outcome, run=run, reason=reason)
    claimed = await world.rooms.store.dues.claim(row)
    if claimed:
        await tell(world, name, due, outcome, run=run, reason=reason)
    return claimed


async def tell(
    world: World, name: str, due: datetime, outcome: str, *, run: RunId | None, reason: str
) -> None:
    """Write what became of a due time into the log, and tell those who watch."""
    told = {"due": due.isoformat(), "run": run, "reason": reason}
    await world.rooms.activity.append(f"schedule-{outcome}", world.rooms.actor, target=name, **told)
    world.news.tell("schedule", name, outcome=outcome, **told)


async def at_work(world: World, generation: Generation, name: str) -> list[Job]:
    """List the jobs of a target that are not at rest."""
    return [job for job in await open_jobs(world, generation, name) if not resting(job)]


async def stop(world: World, generation: Generation, jobs: Sequence[Job]) -> None:
    """Stop the run before; a server that is not reached now is told later, since the wish is kept."""
    engine = world.rooms.engine(generation.reach)
    room = asyncio.Semaphore(STOPS)

    async def end(job: Job) -> None:
        async with room:
            try:
                await engine.stop(job.id, alone=False)
            except (
                RefusedError,
                TransportError,
            ):  # it has ended, or is not reached: the next look shows
                return

    await asyncio.gather(*(end(job) for job in jobs))
    for run in {job.run for job in jobs}:
        await world.add(Key(Kind.RUN, run))
