"""The step that opens every server in scope once, reads its markers and locks, and runs the checks of what is in sync.

A step of `steps`; `desk` and `checking` see single servers through it, `forgetting` and `submission` ask it which left. Calls
`probing` and the carriers.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from controller.errors import (
    ControllerError,
    RefusedError,
    SecretError,
    TransportError,
    Unreachable,
)
from controller.jobs import marker
from controller.model.applied import Applied
from controller.model.declaration import OnDrift
from controller.model.inventory import Carrier, Server
from controller.model.observation import MarkerSeen, ServerSeen
from controller.model.work import Pair
from controller.planning.renames import renames, seen_today
from controller.reconcile.exchange.progress import Progress, Stage
from controller.reconcile.rooms import Rooms
from controller.reconcile.walk.connectivity import note_connectivity
from controller.reconcile.walk.probing import run_checks
from controller.reconcile.walk.repos import reach_of
from controller.reconcile.walk.seen import Seen
from controller.secrets import comparison
from controller.transport.limitable import limits_seen
from controller.transport.looking import Wanted, look
from controller.transport.port import Session


async def observe(rooms: Rooms, seen: Seen) -> Seen:
    """See every server of a pair in scope, and those with records to be forgotten.

    Without contact the last observations are used as they are. A server that does not answer never fails a plan.
    """
    records = await rooms.store.records.all(as_of=seen.request.as_of)
    seen = replace(seen, records=records)
    known = await rooms.store.observations.servers(as_of=seen.request.as_of)
    if not seen.contacts:
        return replace(seen, servers=known)
    servers = [s for s in servers_to_see(seen) if s.active]
    pairs: dict[str, list[Pair]] = {}
    for pair in seen.pairs:
        pairs.setdefault(pair.server, []).append(pair)
    room = asyncio.Semaphore(rooms.parallel)
    done = 0

    async def visit(server: Server) -> ServerSeen:
        nonlocal done
        async with room:
            wanted = pairs.get(server.name, [])
            found = await see_server(
                rooms, seen, server, lambda s: read_server(rooms, seen, wanted, s, server.name)
            )
        done += 1
        rooms.listener(
            Progress(stage=Stage.OBSERVE, subject=server.name, done=done, total=len(servers))
        )
        return found

    found = {s.server: s for s in await asyncio.gather(*(visit(s) for s in servers))}
    async with rooms.saving() as free:
        if free:
            await rooms.store.observations.put_servers(map(without_contents, found.values()))
    if free:
        await note_connectivity(rooms, known, found)
    return replace(seen, servers=found)


def servers_to_see(seen: Seen) -> list[Server]:
    """List the servers of all pairs in scope, and of records in scope whose pair is gone; all under the names of today."""
    today = renames(seen.declaration)
    names = {pair.server for pair in seen.pairs}
    known = map(today.now, seen.records)
    names |= {server for target, server in known if seen.scope.holds(target, server)}
    if seen.scope.whole:
        names |= set(seen.declaration.inventory.servers)
    servers = {**left(seen), **seen.declaration.inventory.servers}
    return [servers[name] for name in sorted(names) if name in servers]


def left(seen: Seen) -> dict[str, Server]:
    """List the servers that left the inventory while something is known of them, as they were reached last.

    One that is declared under another name did not leave: what lies there is now of that name.
    """
    declared = seen.declaration.inventory.servers
    there = {way_to(server) for server in declared.values()}
    return {
        key[1]: replace(record.connection, name=key[1])
        for key, record in seen.records.items()
        if key[1] not in declared
        and record.connection is not None
        and way_to(record.connection) not in there
    }


def way_to(server: Server) -> tuple[object, ...]:
    """Say where a server is found; two names with the same way are one machine."""
    if server.carrier is Carrier.LOCAL:
        return (server.carrier,)
    if server.carrier is Carrier.PULL:
        return server.carrier, server.name
    if server.carrier is Carrier.AGENT:
        return server.carrier, server.address, server.agent.port
    return server.carrier, server.address, server.ssh.port, server.ssh.jump


def without_contents(found: ServerSeen) -> ServerSeen:
    """Leave out what was read of live files: it was for a diff, and may be secret."""
    if not found.deliveries:
        return found
    deliveries = {}
    for target, one in found.deliveries.items():
        files = {path: replace(file, content=None) for path, file in one.files.items()}
        deliveries[target] = replace(one, files=files)
    return replace(found, deliveries=deliveries)


async def see_server(
    rooms: Rooms, seen: Seen, server: Server, look: Callable[[Session], Awaitable[ServerSeen]]
) -> ServerSeen:
    """Open one server and look; whatever is wrong with it is its own and fails no plan."""
    try:
        session = await reach_of(seen).dialer.open(server)
        try:
            return await look(session)
        finally:
            await session.close()
    except TransportError as error:
        return not_reached(rooms, server, error.cause, error)
    except SecretError as error:
        return not_reached(rooms, server, Unreachable.AUTH, error)
    except RefusedError as error:
        return not_reached(rooms, server, Unreachable.VERSION, error)


def not_reached(
    rooms: Rooms, server: Server, cause: Unreachable, error: ControllerError
) -> ServerSeen:
    """Say why a server was not seen."""
    return ServerSeen(
        server=server.name,
        at=rooms.clock.now(),
        reached=False,
        cause=cause,
        message=error.message,
    )


async def read_server(
    rooms: Rooms, seen: Seen, pairs: Sequence[Pair], session: Session, name: str
) -> ServerSeen:
    """Read markers and locks of an open server, and probe the checks of pairs in sync."""
    project = seen.declaration.settings.name
    at = rooms.clock.now()
    found = ServerSeen(
        server=name,
        at=at,
        reached=True,
        boot_id=session.facts.boot_id,
        login=session.facts.login,
        root=session.facts.root,
        limits=limits_seen(session.facts),
        markers=read_markers(await session.markers(project), name),
        locks=await session.locks(project),
    )
    records = records_there(seen, found)
    return replace(
        found,
        checks=await run_checks(rooms, seen, pairs, records, session),
        deliveries=await look(
            session, wanted_there(seen, pairs, records), keyed=comparison.keyed_text, at=at
        ),
        host=session.host,
    )


def records_there(seen: Seen, found: ServerSeen) -> dict[str, Applied]:
    """Give what the markers of a server say, by the target's name of today."""
    return {name: one.record for name, one in seen_today(seen.declaration, found).markers.items()}


def wanted_there(seen: Seen, pairs: Sequence[Pair], records: Mapping[str, Applied]) -> list[Wanted]:
    """Say which pairs' files and trees to look at: those in sync whose drift matters, and those that would run."""
    return [
        Wanted(target=pair.target, work=pair.work, key="" if record is None else record.key)
        for pair in pairs
        if (record := records.get(pair.target)) is None or matters(seen, pair, record)
    ]


def matters(seen: Seen, pair: Pair, record: Applied) -> bool:
    """Say whether it matters how a pair's files lie."""
    ignored = seen.declaration.targets[pair.target].on_drift is OnDrift.IGNORE
    return not ignored or record.applied != pair.work.digest


def read_markers(found: Mapping[str, bytes], server: str) -> dict[str, MarkerSeen]:
    """Decode markers; one that is not whole says nothing of what is in force, so that its pair runs again.

    Raises:
        NewerMarkerError: a newer controller wrote one; it must not be written over.
    """
    markers = {}
    for target, data in found.items():
        try:
            record = marker.decode_marker(data, target=target, server=server)
        except marker.NewerMarkerError:
            raise
        except RefusedError:
            record = Applied(target=target, server=server)
        markers[target] = MarkerSeen(record=record, sha256=marker.marker_digest(data))
    return markers
