"""Looking at one server: whether its time has come, what is there, how it is reached over time, and whose business that is.

A reconciler of the loop. A look opens the server once, reads markers and locks, runs the checks and reads the files of every pair in
force there. One failure says nothing yet: what was seen before stays in force until the server is down. An agent that dials in is
looked at when it has: whoever hears it pokes this key.
"""

from collections.abc import Iterator
from dataclasses import replace

from controller.model.inventory import Server
from controller.model.observation import ServerSeen
from controller.model.scope import Scope
from controller.model.serving import Contact
from controller.planning.contacts import due_look, met
from controller.reconcile.exchange.checks import InvalidDeclarationError
from controller.reconcile.exchange.requests import PlanRequest
from controller.reconcile.loop import outages
from controller.reconcile.loop.backdating import backdate
from controller.reconcile.loop.differences import changed_targets
from controller.reconcile.loop.generation import Generation
from controller.reconcile.loop.keys import Key, Kind
from controller.reconcile.loop.result import NOT_YET, After, Done, Result
from controller.reconcile.loop.runs import waiting_there, wake_targets
from controller.reconcile.loop.world import World
from controller.reconcile.walk.connectivity import write_connectivity
from controller.reconcile.walk.decided import see_standing
from controller.reconcile.walk.deciding import resolve_pairs
from controller.reconcile.walk.observe import read_server, see_server, without_contents
from controller.reconcile.walk.recalling import recall_repos
from controller.reconcile.walk.seen import Seen
from controller.reconcile.walk.steps import walk


async def reconcile(world: World, name: str) -> Result:
    """Look at one server if its time has come, and wake whoever it matters to."""
    generation = world.generation
    if generation is None:
        return NOT_YET
    contacts = world.rooms.store.contacts
    server = generation.declaration.inventory.servers.get(name)
    contact = await contacts.get(name)
    if server is None:
        await world.forget(Key(Kind.SERVER, name))
        await _forget(world, name, contact)
        return Done()
    if not server.active:
        return Done()
    now = world.rooms.clock.now()
    due = due_look(contact, server.check, now)
    if due > now and not await _wanted(world, generation, contact, name):
        return After((due - now).total_seconds(), "its interval is not over")
    await world.looking(Key(Kind.SERVER, name))
    found = await look(world, generation, server)
    after = met(contact, found, server.check)
    if found.reached:
        after = replace(after, looked=_targets(generation, name))
        await backdate(world, found, after.looked)
    await _keep(world, contact, after, found)
    rest = due_look(after, server.check, found.at) - found.at
    return After(rest.total_seconds(), "its interval" if after.reached else "it is tried again")


async def look(world: World, generation: Generation, server: Server) -> ServerSeen:
    """Open a server once and see everything of the pairs in force there; whatever is wrong with it is its own."""
    rooms = world.rooms
    seen = replace(
        generation.seen,
        request=PlanRequest(refresh=False),
        scope=Scope(servers=frozenset({server.name})),
        by_hand=False,
    )
    seen = await walk(rooms, seen, (see_standing, recall_repos))
    seen = await _resolved(world, seen)
    return await see_server(
        rooms, seen, server, lambda s: read_server(rooms, seen, seen.pairs, s, server.name)
    )


async def _resolved(world: World, seen: Seen) -> Seen:
    """Render what is wanted there; where that cannot be done, its targets say so, and the server is seen all the same."""
    try:
        return await resolve_pairs(world.rooms, seen)
    except InvalidDeclarationError:
        return seen


async def _wanted(world: World, generation: Generation, contact: Contact | None, name: str) -> bool:
    """Say whether somebody wished for a look, or a target came there that no look took in."""
    if contact is not None and contact.reached:
        fresh = set(_targets(generation, name)) - set(contact.looked)
        if fresh:
            return True
    return await world.wanted(Key(Kind.SERVER, name))


async def _keep(world: World, before: Contact | None, after: Contact, found: ServerSeen) -> None:
    """Store what was found, tell of what changed, wake who waits: told first, so that a crash tells it again."""
    store = world.rooms.store
    known = await store.observations.server(found.server)
    if before is None or (before.reached, before.cause) != (after.reached, after.cause):
        await write_connectivity(world.rooms, found)
        world.news.tell("server", found.server, reached=after.reached, cause=after.cause)
    await outages.tell_of_turn(world, before, after)
    kept = without_contents(found)
    if found.reached or after.down:
        await store.observations.put_servers([kept])
    await store.contacts.put([after])  # before anybody is woken, who would else not find it
    if found.reached or after.down:
        await wake_targets(world, changed_targets(known, kept) | set(_new(before, after)))
    if found.reached:
        for run in await waiting_there(world, found.server):
            await world.add(Key(Kind.RUN, run))


def _new(before: Contact | None, after: Contact) -> Iterator[str]:
    """List the targets that no look took in before, all of them where it was away."""
    known = () if before is None or before.down or not before.reached else before.looked
    return (name for name in after.looked if name not in known)


def _targets(generation: Generation, server: str) -> tuple[str, ...]:
    targets = generation.declaration.targets.values()
    return tuple(sorted(one.name for one in targets if server in one.members))


async def _forget(world: World, name: str, contact: Contact | None) -> None:
    """Let go of a server that is no longer declared."""
    if contact is None:
        return
    if contact.down:
        await outages.tell_gone(world, name)
    await world.rooms.store.contacts.forget([name])
