"""What the connectivity log is told: when a server's reachability changes, and why it is not reached."""

from collections.abc import Mapping

from controller.model.observation import ServerSeen
from controller.reconcile.rooms import Rooms


async def note_connectivity(
    rooms: Rooms, before: Mapping[str, ServerSeen], now: Mapping[str, ServerSeen]
) -> None:
    """Write a line for every server whose reachability or cause is not what it was."""
    for name, seen in sorted(now.items()):
        known = before.get(name)
        if known is None or (known.reached, known.cause) != (seen.reached, seen.cause):
            await write_connectivity(rooms, seen)


async def write_connectivity(rooms: Rooms, seen: ServerSeen) -> None:
    """Write one line."""
    if seen.reached:
        await rooms.connectivity.append("reached", rooms.actor, server=seen.server)
        return
    await rooms.connectivity.append(
        "unreachable",
        rooms.actor,
        server=seen.server,
        cause=None if seen.cause is None else str(seen.cause),
        message=seen.message,
    )
