"""Carrying out `forget`: the marker on the server and the record in the state go, and nothing else is touched.

Called by `applying`, after the jobs of a run are recorded. First there, then here.
"""

import asyncio
from collections.abc import Mapping, Sequence

from controller.errors import RefusedError, SecretError, TransportError
from controller.model.inventory import Server
from controller.model.plan import Change
from controller.reconcile.rooms import Rooms
from controller.reconcile.walk.observe import left
from controller.reconcile.walk.repos import reach_of
from controller.reconcile.walk.seen import Seen


async def forget(rooms: Rooms, seen: Seen, changes: Sequence[Change]) -> int:
    """Forget pairs; give how many are forgotten. A pair whose marker cannot be deleted now stays for the next time."""
    room, gone = asyncio.Semaphore(rooms.parallel), left(seen)

    async def one(change: Change) -> bool:
        async with room:
            return await forget_pair(rooms, seen, change, gone)

    return sum(await asyncio.gather(*(one(change) for change in changes)))


async def forget_pair(rooms: Rooms, seen: Seen, change: Change, gone: Mapping[str, Server]) -> bool:
    """Forget one pair, first there, then here; say whether it is forgotten."""
    told = {"target": change.target, "server": change.server}
    await rooms.activity.append("pair-forgetting", rooms.actor, **told)
    kept = await marker_kept(seen, change, gone)
    if kept is not None:
        await rooms.activity.conclude("pair-kept", rooms.actor, **told, reason=kept)
        return False
    await rooms.store.records.forget([change.was or (change.target, change.server)])
    await rooms.activity.conclude("pair-forgotten", rooms.actor, **told)
    return True


async def marker_kept(seen: Seen, change: Change, gone: Mapping[str, Server]) -> str | None:
    """Delete a marker that is still as it was seen, or say why not; `gone` are the servers that left the inventory.

    One on a server that left the inventory and is not reached stays there: nobody waits for that server.
    """
    declared = seen.declaration.inventory.servers.get(change.server)
    server = declared or gone.get(change.server)
    if server is None or change.expect is None:
        return None
    target = change.was[0] if change.was else change.target
    try:
        session = await reach_of(seen).dialer.open(server)
        try:
            deleted = await session.forget_target(
                seen.declaration.settings.name, target, expect=change.expect
            )
        finally:
            await session.close()
    except (TransportError, RefusedError, SecretError) as error:
        return None if declared is None else error.message
    return None if deleted else "its marker is locked, or no longer as it was seen"
