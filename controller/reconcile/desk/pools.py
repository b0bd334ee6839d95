"""How many jobs the agents of servers run at once, asked and changed now.

Called by the facade; opens sessions.
"""

import asyncio
from collections.abc import Sequence

from controller.errors import ControllerError
from controller.model.inventory import Server
from controller.reconcile.carrying.running import members
from controller.reconcile.exchange.answers import ServerPool
from controller.reconcile.rooms import Rooms
from controller.reconcile.walk.loading import load, see_config
from controller.reconcile.walk.repos import reach_of
from controller.reconcile.walk.seen import Seen
from controller.reconcile.walk.steps import walk
from controller.transport.port import Dialer


async def pools(rooms: Rooms, on: str, *, workers: int | None = None) -> tuple[ServerPool, ...]:
    """Ask servers for their pools, in order of name; with `workers` change them first.

    Raises:
        NotFoundError: a word of the selector names neither a server nor a group.
        UsageError: it cannot be read, or picks nothing.
    """
    seen = await walk(rooms, Seen(), (see_config, load))
    names = members(seen, on)
    servers = [seen.declaration.inventory.servers[name] for name in names]
    if workers is not None:
        told = {"servers": list(names), "workers": workers}
        await rooms.activity.append("pool-setting", rooms.actor, **told)
    found = await _ask(reach_of(seen).dialer, servers, workers, rooms.parallel)
    if workers is not None:
        done = [one.server for one in found if one.trouble is None]
        await rooms.activity.conclude("pool-set", rooms.actor, servers=done, workers=workers)
    return found


async def _ask(
    dialer: Dialer, servers: Sequence[Server], workers: int | None, parallel: int
) -> tuple[ServerPool, ...]:
    room = asyncio.Semaphore(parallel)

    async def ask(server: Server) -> ServerPool:
        async with room:
            try:
                session = await dialer.open(server)
                try:
                    asked = session.pool() if workers is None else session.set_pool(workers)
                    return ServerPool(server=server.name, pool=await asked)
                finally:
                    await session.close()
            except ControllerError as error:
                return ServerPool(server=server.name, trouble=error)

    return tuple(await asyncio.gather(*(ask(server) for server in servers)))
