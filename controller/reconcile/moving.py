"""Pairs that were renamed and need nothing else: their marker and their record get the new name.

Called by `applying`. First there, then here: a crash in between is found again as a pair that is still known by its old
name.
"""

from collections.abc import Iterable
from dataclasses import replace

from controller.errors import LockedError, RefusedError, TransportError
from controller.jobs.marker import encode_marker
from controller.model.applied import Applied
from controller.model.observation import Holder, MarkerSeen
from controller.planning.inputs import PairKey
from controller.reconcile.repos import reach_of
from controller.reconcile.rooms import Rooms
from controller.reconcile.seen import Seen
from controller.transport.port import Session

Moved = tuple[PairKey, PairKey]
"""(target, server) before and after."""


async def move(rooms: Rooms, seen: Seen, pairs: Iterable[Moved]) -> int:
    """Give pairs their new names; count those that could be reached. The others are moved the next time."""
    return sum([await move_pair(rooms, seen, old, new) for old, new in pairs])


async def move_pair(rooms: Rooms, seen: Seen, old: PairKey, new: PairKey) -> bool:
    """Move one pair; say whether it is done."""
    told = {"target": new[0], "server": new[1], "from_target": old[0], "from_server": old[1]}
    marker = None if (found := seen.servers.get(new[1])) is None else found.markers.get(old[0])
    record = seen.records.get(old) if marker is None else marker.record
    if record is None:
        return False
    await rooms.activity.append("pair-moving", rooms.actor, **told)
    record = replace(record, target=new[0], server=new[1])
    try:
        if old[0] != new[0] and marker is not None:
            await move_marker(rooms, seen, record, marker)
    except (TransportError, RefusedError, LockedError) as error:
        await rooms.activity.append("pair-kept", rooms.actor, **told, reason=error.message)
        return False
    await rooms.store.records.put([record])
    await rooms.store.records.forget([old])
    await rooms.activity.append("pair-moved", rooms.actor, **told)
    return True


async def move_marker(rooms: Rooms, seen: Seen, record: Applied, marker: MarkerSeen) -> None:
    """Write the marker under the new target's name, then delete the old one if it is still as it was seen.

    Raises:
        TransportError: the server does not answer.
        LockedError: somebody holds the target there, or there is a marker of the new name already.
    """
    server = seen.declaration.inventory.servers[record.server]
    session = await reach_of(seen).dialer.open(server)
    try:
        await write_marker(rooms, session, seen.declaration.settings.name, record)
        await session.forget_target(
            seen.declaration.settings.name, marker.record.target, expect=marker.sha256
        )
    finally:
        await session.close()


async def write_marker(rooms: Rooms, session: Session, project: str, record: Applied) -> None:
    """Take the lock of a target that has no marker yet, write one, and give the lock back."""
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
        project, record.target, holder=holder, expect=None, marker=data
    )
    if not claim.taken:
        if claim.stale == data:
            return  # an earlier try came this far
        raise LockedError(f"target {record.target} is held there, or has a marker already")
    await session.release_target(project, record.target, run=run, marker=data)
