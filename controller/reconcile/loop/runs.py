"""Driving one recorded run as far as that goes now; the same after a restart, a crash, or when a server has come back.

A reconciler of the loop. The engine does the work; here stands what is done around it: people are told, targets decide anew, and
what waits for a server does not occupy a worker.
"""

from collections.abc import Set as AbstractSet
from typing import Final

from controller.jobs.job import UNREACHABLE
from controller.jobs.report import RunReport
from controller.model.ids import RunId
from controller.model.job import Job, Run, State
from controller.planning.renames import renames
from controller.reconcile.loop import telling
from controller.reconcile.loop.keys import OUTBOX, Key, Kind
from controller.reconcile.loop.result import NOT_YET, After, Done, Result
from controller.reconcile.loop.world import World

AWAY_SECONDS: Final = 900.0
"""After so long a run whose servers are away is tried again, if no look at a server does that before."""
TROUBLE_SECONDS: Final = 60.0
"""After so long a job is tried again with which the controller itself could not go on."""
INPUT_SECONDS: Final = 1.0
STALE: Final = ("stale", "locked by ")
"""Begin of the reasons of jobs that met something else on their server than was known."""


async def reconcile(world: World, name: str) -> Result:
    """Drive one run."""
    run = await world.rooms.store.runs.get(RunId(name))
    if run is None or await world.held() is not None:
        return Done()
    if world.generation is None:
        return NOT_YET
    if await world.live.awaits_input(run):
        return After(INPUT_SECONDS, "its standard input is still to come")
    before = await world.rooms.store.jobs.list(run=run.id, limit=1_000_000)
    if run.finished_at is None and not any(map(_was_tried, before)):
        await telling.tell_of_start(world, run, before)
        world.news.tell("run", run.id, title=run.title, state="started")
    report = await world.live.drive(run.id, parallel=world.rooms.parallel)
    return await settle(world, run, report)


def _was_tried(job: Job) -> bool:
    """Say whether a job was driven before: it has begun, or its server was away."""
    return job.started_at is not None or job.reason == UNREACHABLE


async def settle(world: World, before: Run, report: RunReport) -> Result:
    """Tell of a run that has ended, or say when to go on with one that has not."""
    run = await world.rooms.store.runs.get(before.id) or before
    await look_again(world, report.jobs)
    if run.finished_at is not None:
        if before.finished_at is None:
            await telling.tell_of_end(world, run, report.jobs)
            world.news.tell("run", run.id, title=run.title, state="finished")
            await world.add(OUTBOX)
        await wake(world, report.jobs)
        lost = any(job.state is State.LOST for job in report.jobs)
        return After(AWAY_SECONDS, "nobody knows how a job of it ended") if lost else Done()
    await wake(world, report.jobs)  # what ended of it may be all that a target waited for
    if report.troubles:
        return After(TROUBLE_SECONDS, next(iter(report.troubles.values())))
    return After(AWAY_SECONDS, "servers of it are away")


async def wake(world: World, jobs: tuple[Job, ...]) -> None:
    """Have the targets of a run decide anew, and those that come after them."""
    await wake_targets(world, {job.target for job in jobs if job.target is not None})


async def wake_targets(world: World, names: AbstractSet[str]) -> None:
    """Have targets decide anew, under the names that they have today, and those that come after them."""
    generation = world.generation
    if generation is not None:
        today = renames(generation.declaration).targets
        names = names | {today[name] for name in names if name in today}
        later = generation.declaration.targets.values()
        names = names | {one.name for one in later if names & set(one.after)}
    for name in sorted(names):
        await world.add(Key(Kind.TARGET, name))


async def look_again(world: World, jobs: tuple[Job, ...]) -> None:
    """Have the servers looked at on which something else was met than was known, or a target was undone."""
    for job in jobs:
        met = job.state is State.SKIPPED and (job.reason or "").startswith(STALE)
        undone = job.state is State.SUCCEEDED and job.trigger == "removal"
        if met or undone:
            await world.poke(
                Key(Kind.SERVER, job.server), why=f"job {job.id}: {job.reason or job.cause}"
            )


async def waiting_there(world: World, server: str) -> tuple[RunId, ...]:
    """List the runs that have something to do on a server: for whoever sees that it is back."""
    jobs = await world.rooms.store.jobs.open()
    return tuple(dict.fromkeys(job.run for job in jobs if job.server == server))
