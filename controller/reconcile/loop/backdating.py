"""Records that were written while the clock was ahead, and would outweigh every look until that time has come.

Part of `servers`: a look that is made now comes after them, whatever their times say, so they get its time.
"""

from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from datetime import datetime

from controller.model.applied import Applied
from controller.model.observation import ServerSeen
from controller.planning.subject import moment
from controller.reconcile.loop.world import World


async def backdate(world: World, found: ServerSeen, targets: Iterable[str]) -> None:
    """Put records of a server whose time has not come yet back to a moment before a look at it.

    Pairs of which a job is under way are left to its end, which writes their records anew.

    Args:
        world: whose clock says what time it is.
        found: the look.
        targets: that may be known there.
    """
    store = world.rooms.store
    names = set(targets) | set(found.markers)
    ahead = {one.target async for one in _ahead(world, names, found.server)}
    if not ahead:
        return
    busy = {job.target for job in await store.jobs.open() if job.server == found.server}
    before = found.at - datetime.resolution
    await store.records.put(
        [_put_back(one, before) async for one in _ahead(world, ahead - busy, found.server)]
    )


async def _ahead(world: World, targets: Iterable[str], server: str) -> AsyncIterator[Applied]:
    """Give the records of pairs that, by the clock, will only be written."""
    now = world.rooms.clock.now()
    for target in sorted(targets):
        record = await world.rooms.store.records.get(target, server)
        written = None if record is None else moment(record)
        if record is not None and written is not None and written > now:
            yield record


def _put_back(record: Applied, latest: datetime) -> Applied:
    """Give a record that changed at a moment or before."""
    tried = record.tried
    return replace(
        record,
        at=None if record.at is None else min(record.at, latest),
        tried=None if tried is None else replace(tried, at=min(tried.at, latest)),
    )
