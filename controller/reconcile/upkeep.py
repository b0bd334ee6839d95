"""Records and markers that change without a job: renamed pairs, and what is kept for the day a pair is let go.

Called by `applying`. First there, then here: a crash in between is found again as a pair that is still known as it was.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import replace

from controller.errors import LockedError, RefusedError, TransportError
from controller.jobs.marker import encode_marker
from controller.model.applied import Applied
from controller.model.ids import Digest
from controller.model.observation import Holder
from controller.model.plan import Plan
from controller.model.work import Pair
from controller.planning import keepsakes, renames
from controller.planning.inputs import PairKey
from controller.reconcile.known import known_record, known_seen, known_today
from controller.reconcile.repos import reach_of
from controller.reconcile.rooms import Rooms
from controller.reconcile.seen import Seen
from controller.transport.port import Session


async def keep_in_step(rooms: Rooms, seen: Seen, plan: Plan) -> None:
    """Move renamed pairs and refresh what is kept of pairs in sync; what is not reached waits for the next time."""
    running = {(change.target, change.server) for change in plan.changes if change.runs}
    stored, today = known_seen(seen), known_today(seen)
    moved = renames.moved(seen.declaration, stored, running)
    await asyncio.gather(*(move(rooms, seen, old, known_record(today, new)) for old, new in moved))
    done = running | {new for _, new in moved}
    pairs = {(pair.target, pair.server): pair for pair in seen.pairs}
    stale = keepsakes.outdated(seen.declaration, seen.pairs, stored, done)
    room = asyncio.Semaphore(rooms.parallel)

    async def one(pair: Pair) -> Applied | None:
        async with room:
            return await refresh(rooms, seen, pair, known_record(today, (pair.target, pair.server)))

    fresh = await asyncio.gather(*(one(pairs[key]) for key in stale))
    await rooms.store.records.put(found(fresh))


def found(records: Iterable[Applied | None]) -> list[Applied]:
    """Leave out what could not be refreshed."""
    return [record for record in records if record is not None]


async def move(rooms: Rooms, seen: Seen, old: PairKey, record: Applied | None) -> None:
    """Give one pair its new name, there and here; `record` has it already."""
    if record is None:
        return
    told = {
        "target": record.target,
        "server": record.server,
        "from_target": old[0],
        "from_server": old[1],
    }
    await rooms.activity.append("pair-moving", rooms.actor, **told)
    try:
        await move_marker(rooms, seen, record, old[0])
    except (TransportError, RefusedError) as error:
        await rooms.activity.append("pair-kept", rooms.actor, **told, reason=error.message)
        return
    await rooms.store.records.put([record])
    await rooms.store.records.forget([old])
    await rooms.activity.append("pair-moved", rooms.actor, **told)


async def move_marker(rooms: Rooms, seen: Seen, record: Applied, before: str) -> None:
    """Write the marker under the new target's name, then delete the old one if it is still as it was seen.

    Raises:
        TransportError: the server does not answer.
        LockedError: somebody holds the target there, or there is another marker of the new name.
    """
    there = seen.servers.get(record.server)
    marker = None if there is None else there.markers.get(before)
    if before == record.target or marker is None:
        return
    project = seen.declaration.settings.name
    session = await reach_of(seen).dialer.open(seen.declaration.inventory.servers[record.server])
    try:
        await write_marker(rooms, session, project, record, expect=None)
        await session.forget_target(project, before, expect=marker.sha256)
    finally:
        await session.close()


async def refresh(rooms: Rooms, seen: Seen, pair: Pair, record: Applied | None) -> Applied | None:
    """Bring one record up to date, and its marker where the marker keeps the same; None when that must wait."""
    if record is None:
        return None
    target = seen.declaration.targets[pair.target]
    server = seen.declaration.inventory.servers[pair.server]
    kept = replace(
        record, on_remove=target.on_remove, protect=target.protect, undo=pair.undo, connection=None
    )
    there = seen.servers.get(pair.server)
    marker = None if there is None else there.markers.get(pair.target)
    if kept == replace(record, connection=None):
        return replace(kept, connection=server)
    if marker is None or there is None or not there.reached:
        return None
    try:
        session = await reach_of(seen).dialer.open(server)
        try:
            await write_marker(
                rooms, session, seen.declaration.settings.name, kept, expect=marker.sha256
            )
        finally:
            await session.close()
    except (TransportError, RefusedError) as error:
        told = {"target": pair.target, "server": pair.server, "reason": error.message}
        await rooms.activity.append("pair-kept", rooms.actor, **told)
        return None
    return replace(kept, connection=server)


async def write_marker(
    rooms: Rooms, session: Session, project: str, record: Applied, *, expect: Digest | None
) -> None:
    """Take a target's lock, write its marker in place of the one that is expected, and give the lock back.

    Raises:
        LockedError: somebody holds it, or another marker is there.
    """
    run = rooms.ids()
    holder = Holder(
        run=run,
        who=rooms.actor,
        controller=rooms.controller_name,
        boot_id=session.facts.boot_id,
        since=rooms.clock.now(),
    )
    data = encode_marker(record)
    claim = await session.claim_target(
        project, record.target, holder=holder, expect=expect, marker=data
    )
    if claim.taken:
        await session.release_target(project, record.target, run=run, marker=data)
    elif claim.stale != data:  # otherwise an earlier try came this far
        raise LockedError(f"target {record.target} is held there, or has another marker")
