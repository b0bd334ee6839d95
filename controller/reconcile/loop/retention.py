"""The reconciler of `retention`: what is old is put away, what is older is deleted, a bounded part of it at a time.

One of `table`. `settings.retention` says how old. What has not ended is never touched; what each shelf keeps at most, it sees to itself.
Files go before the rows that name them, so that a crash in between leaves nothing that nobody knows of. A disk that does not take an
archive, or lets go of nothing, keeps the other kinds from nothing, and is tried again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

from controller.errors import (
    ControllerError,
    Disposition,
    NotFoundError,
    StateAwayError,
    StateError,
)
from controller.model.ids import RunId
from controller.model.retention import Retention
from controller.reconcile.desk.archiving import archive_older
from controller.reconcile.loop import owing
from controller.reconcile.loop.generation import Generation
from controller.reconcile.loop.keys import Key, Kind
from controller.reconcile.loop.result import After, Result
from controller.reconcile.loop.world import World

EVERY: Final = 3_600.0
"""Seconds between two passes that found nothing left to do."""
SOON: Final = 1.0
"""Seconds until the next pass where there is more."""
PUT_AWAY: Final = 20
"""Jobs that are archived in one pass."""
RUNS: Final = 50
"""Runs that are deleted in one pass."""
ROWS: Final = 1_000
"""Rows of one kind that are deleted in one pass."""
JOBS: Final = 1_000_000
"""More than a run has."""

Pass = Callable[[World, Retention, datetime], Awaitable[bool]]
"""Does a bounded part, and says whether there may be more."""


class NotPutAwayError(ControllerError):
    """Something that is old could be neither archived nor deleted; the state itself may well be usable."""

    reference = "not-put-away"
    disposition = Disposition.RETRY


async def reconcile(world: World, name: str) -> Result:
    """Do one pass over everything that is kept.

    Raises:
        NotPutAwayError: a part of it could not be put away.
        StateError: the state cannot be used.
    """
    del name
    generation = world.generation
    if generation is None:
        return After(EVERY, "no declarations are in force")
    await _undeclared(world, generation)
    kept, now = generation.declaration.settings.retention, world.rooms.clock.now()
    more, trouble = False, None
    for each in PASSES:
        try:
            more = await each(world, kept, now) or more
        except NotPutAwayError as error:
            trouble = trouble or error
    if trouble is not None:
        raise trouble
    if more:
        return After(SOON, "there is more to be deleted")
    return After(EVERY, "everything that is old is gone")


async def put_away(world: World, kept: Retention, now: datetime) -> bool:
    """Archive output and artifacts of jobs that ended long ago."""
    before = now - timedelta(seconds=kept.output)
    with _on_disk():
        found = await archive_older(world.rooms, before, out=None, most=PUT_AWAY)
    return len(found) == PUT_AWAY


async def drop_runs(world: World, kept: Retention, now: datetime) -> bool:
    """Delete runs that ended even longer ago, or are too many, with everything of their jobs."""
    cleaning = world.rooms.store.cleaning
    before = now - timedelta(seconds=kept.jobs)
    runs = await cleaning.old_runs(before, keep=kept.runs, limit=RUNS)
    if not runs:
        return False
    told = {"runs": len(runs), "first": runs[0], "last": runs[-1]}
    await world.rooms.activity.append("runs-dropping", world.rooms.actor, **told)
    for run in runs:
        await _drop_files(world, run)
    gone = await cleaning.drop_runs(runs)
    await world.rooms.activity.conclude("runs-dropped", world.rooms.actor, **told, gone=gone)
    world.news.tell("retention", "runs", gone=gone)
    return len(runs) == RUNS and gone > 0


async def drop_rows(world: World, kept: Retention, now: datetime) -> bool:
    """Delete what was in force earlier, letters that are settled, and due times that are over."""
    cleaning = world.rooms.store.cleaning
    gone = [
        await cleaning.drop_history(now - timedelta(seconds=kept.history), limit=ROWS),
        await cleaning.drop_letters(now - timedelta(seconds=kept.letters), limit=ROWS),
        await cleaning.drop_dues(now - timedelta(seconds=kept.dues), limit=ROWS),
    ]
    return ROWS in gone


PASSES: Final[tuple[Pass, ...]] = (put_away, drop_runs, drop_rows)


async def _drop_files(world: World, run: RunId) -> None:
    archive = world.rooms.archive
    for job in await world.rooms.store.jobs.list(run=run, limit=JOBS):
        path = None if job.archived is None else job.archived.path
        with _on_disk():
            await asyncio.to_thread(archive.drop, job.id, path)


@contextmanager
def _on_disk() -> Iterator[None]:
    """Tell what is wrong with single files from what is wrong with the state."""
    try:
        yield
    except StateAwayError:
        raise
    except (NotFoundError, StateError) as error:
        raise NotPutAwayError(error.message, hint=error.hint) from error


async def _undeclared(world: World, generation: Generation) -> None:
    """Have servers forgotten that are not declared any more, and schedules of targets that have none."""
    declared = generation.declaration
    for server in await world.rooms.store.contacts.all():
        if server not in declared.inventory.servers:
            await world.add(Key(Kind.SERVER, server))
    for name in await owing.known(world) - owing.scheduled(declared):
        await owing.forget(world, name)
