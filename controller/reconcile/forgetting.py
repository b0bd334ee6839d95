"""Carrying out `forget`: the marker on the server and the record in the state go, and nothing else is touched."""

from collections.abc import Sequence

from controller.errors import TransportError
from controller.model.plan import Change
from controller.reconcile.repos import reach_of
from controller.reconcile.rooms import Rooms
from controller.reconcile.seen import Seen


async def forget(rooms: Rooms, seen: Seen, changes: Sequence[Change]) -> int:
    """Forget pairs; give how many are forgotten. A pair whose marker cannot be deleted now stays for the next time."""
    gone = [change for change in changes if await forget_marker(seen, change)]
    for change in gone:
        told = {"target": change.target, "server": change.server}
        await rooms.activity.append("pair-forgetting", rooms.actor, **told)
        await rooms.store.records.forget([(change.target, change.server)])
        await rooms.activity.append("pair-forgotten", rooms.actor, **told)
    return len(gone)


async def forget_marker(seen: Seen, change: Change) -> bool:
    """Delete a marker that is still as it was seen; a server that left the inventory has none we could reach."""
    server = seen.declaration.inventory.servers.get(change.server)
    if server is None or change.expect is None:
        return True
    try:
        session = await reach_of(seen).dialer.open(server)
        try:
            return await session.forget_target(
                seen.declaration.settings.name, change.target, expect=change.expect
            )
        finally:
            await session.close()
    except TransportError:
        return False
