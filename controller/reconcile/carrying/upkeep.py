"""Records and markers that change without a job: renamed pairs, and what is kept for the day a pair is let go.

Called by `applying`; calls `renames` and `keepsakes` to be told which, and the servers only where a marker is to be written.
First there, then here: a crash in between is found again as a pair that is still known as it was.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace

from controller.errors import LockedError, RefusedError, SecretError, TransportError
from controller.jobs.marker import encode_marker
from controller.model.applied import Applied
from controller.model.ids import Digest
from controller.model.inventory import Server
from controller.model.observation import Holder
from controller.model.plan import Plan
from controller.model.work import Pair, Work
from controller.planning import keepsakes, renames
from controller.planning.inputs import Observed, PairKey
from controller.reconcile.rooms import Rooms
from controller.reconcile.walk.known import known_connection, known_record, known_seen, known_today
from controller.reconcile.walk.repos import reach_of
from controller.reconcile.walk.seen import Seen
from controller.transport.port import Session


async def keep_in_step(rooms: Rooms, seen: Seen, plan: Plan) -> frozenset[str]:
    """Move renamed pairs and refresh what is kept of pairs in sync; what is not reached waits for the next time.

    Gives the names of the servers on which markers were written, which no look knows yet.
    """
    running = {(change.target, change.server) for change in plan.changes if change.runs}
    stored, today = known_seen(seen), known_today(seen)
    moved = [
        (old, new)
        for old, new in renames.moved(seen.declaration, stored, running)
        if seen.scope.holds(*new)
    ]
    done = running | {new for _, new in moved}
    stale = await rooms.aside.do(
        lambda: keepsakes.outdated(seen.declaration, seen.pairs, stored, done)
    )
    pairs = {(pair.target, pair.server): pair for pair in seen.pairs}
    room = asyncio.Semaphore(rooms.parallel)
    kept = await asyncio.gather(
        *(move(rooms, seen, old, known_record(today, new), room) for old, new in moved)
    )
    fresh = await asyncio.gather(
        *(refresh(rooms, seen, pairs[key], known_record(today, key), room) for key in stale)
    )
    renamed = [
        replace(one, connection=known_connection(seen, today, (one.target, one.server)))
        for one in kept
        if one is not None
    ]
    found = {(one.target, one.server): one for one in (*renamed, *fresh) if one is not None}
    names = {new: old for old, new in moved if new in found}
    same = await as_read(rooms, seen, {*found, *names.values()})
    found = {key: one for key, one in found.items() if {key, names.get(key, key)} <= same}
    await put(rooms, list(found.values()))
    gone = {old: new for new, old in names.items() if new in found}
    if gone:
        await rooms.store.records.forget(gone)
    for old, new in gone.items():
        await rooms.activity.append("pair-moved", rooms.actor, **told_of(old, new))
    moves = {one.server for one in renamed}
    return frozenset(moves | {one.server for one in fresh if one and changed(today, one)})


def changed(today: Observed, record: Applied) -> bool:
    """Say whether more of a record is new than how its server is reached: then its marker was written, too."""
    known = known_record(today, (record.target, record.server))
    return known is None or replace(record, connection=None) != replace(known, connection=None)


async def as_read(rooms: Rooms, seen: Seen, keys: Collection[PairKey]) -> set[PairKey]:
    """List the pairs whose records are as they were read: what a job wrote since must not be written over."""
    if not keys:
        return set()
    now = await rooms.store.records.all(targets={target for target, _ in keys})
    return {key for key in keys if now.get(key) == seen.records.get(key)}


async def put(rooms: Rooms, records: Sequence[Applied]) -> None:
    """Store what changed at once, if anything did."""
    if records:
        await rooms.store.records.put(records)


def told_of(old: PairKey, new: PairKey) -> dict[str, str]:
    """Say in the activity log which pair gets which name."""
    return {
        "target": new[0],
        "server": new[1],
        "from_target": old[0],
        "from_server": old[1],
    }


async def move(
    rooms: Rooms, seen: Seen, old: PairKey, record: Applied | None, room: asyncio.Semaphore
) -> Applied | None:
    """Give the marker of one pair its new name; `record` has it already, and is given back when it may be stored."""
    if record is None or not may_move(seen, old, record):
        return None
    told = told_of(old, (record.target, record.server))
    await rooms.activity.append("pair-moving", rooms.actor, **told)
    try:
        async with room:
            await move_marker(rooms, seen, record, old[0])
    except (TransportError, RefusedError, SecretError) as error:
        await rooms.activity.append("pair-kept", rooms.actor, **told, reason=error.message)
        return None
    return record


def may_move(seen: Seen, old: PairKey, record: Applied) -> bool:
    """Say whether all of a pair can be moved now: a marker under another target's name must be at hand."""
    there = seen.servers.get(record.server)
    return old[0] == record.target or (there is not None and there.reached)


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


async def refresh(
    rooms: Rooms, seen: Seen, pair: Pair, record: Applied | None, room: asyncio.Semaphore
) -> Applied | None:
    """Bring one record up to date, and its marker where the marker keeps the same; None when that must wait."""
    if record is None:
        return None
    target = seen.declaration.targets[pair.target]
    server = seen.declaration.inventory.servers[pair.server]
    kept = replace(
        record,
        on_remove=target.on_remove,
        protect=target.protect,
        undo=undo_of(pair, record),
        connection=None,
    )
    there = seen.servers.get(pair.server)
    marker = None if there is None else there.markers.get(pair.target)
    if kept == replace(record, connection=None):
        return replace(kept, connection=server)
    if marker is None or there is None or not there.reached:
        return None
    try:
        async with room:
            await rewrite_marker(rooms, seen, server, kept, expect=marker.sha256)
    except (TransportError, RefusedError, SecretError) as error:
        told = {"target": pair.target, "server": pair.server, "reason": error.message}
        await rooms.activity.append("pair-kept", rooms.actor, **told)
        return None
    return replace(kept, connection=server)


def undo_of(pair: Pair, record: Applied) -> Work | None:
    """Give the undo of a pair; one that only came back from its marker is not another one."""
    known, wanted = record.undo, pair.undo
    same = known is not None and wanted is not None and known.digest == wanted.digest
    return known if same else wanted


async def rewrite_marker(
    rooms: Rooms, seen: Seen, server: Server, record: Applied, *, expect: Digest
) -> None:
    """Open a server and write the marker of a pair in place of the one that was seen.

    Raises:
        TransportError: the server does not answer.
        LockedError: somebody holds the target there, or there is another marker.
    """
    session = await reach_of(seen).dialer.open(server)
    try:
        project = seen.declaration.settings.name
        await write_marker(rooms, session, project, record, expect=expect)
    finally:
        await session.close()


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
