"""`drift show`: everything that differs from what was applied, and who may have done it.

Called by the facade. It walks as `plan` does, then asks each server with drift once what it remembers of the time.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from controller.errors import ControllerError
from controller.model.evidence import Clue, Evidence
from controller.model.plan import Change
from controller.planning.clues import clues_of, clues_of_marker
from controller.planning.order import natural
from controller.reconcile.exchange.drifts import DriftedPair, DriftedPart, DriftReport
from controller.reconcile.exchange.requests import PlanRequest
from controller.reconcile.rooms import Rooms
from controller.reconcile.walk.deciding import plan_of
from controller.reconcile.walk.repos import reach_of
from controller.reconcile.walk.seen import Seen
from controller.reconcile.walk.steps import PLAN, walk
from controller.transport import evidence


async def show(rooms: Rooms, target: str | None, limit: str | None) -> DriftReport:
    """Look at the servers in scope and say what differs there, with what speaks for who did it.

    Raises:
        NotFoundError: there is no such target, or no such server.
    """
    request = PlanRequest(targets=() if target is None else (target,), limit=limit)
    seen = await walk(rooms, Seen(request=request), PLAN)
    found = tuple(pairs_of(seen, plan_of(seen).changes))
    known = await ask(rooms, seen, found)
    now = rooms.clock.now()
    return DriftReport(
        pairs=tuple(with_clues(rooms, pair, known.get(pair.server, Evidence())) for pair in found),
        ignored=tuple(
            one
            for one in seen.standing.ignores
            if one.until > now and seen.scope.holds(one.target, one.server)
        ),
        unseen=tuple(
            (name, one.message or str(one.cause or "nobody looked"))
            for name, one in sorted(seen.servers.items())
            if not one.reached
        ),
    )


def pairs_of(seen: Seen, changes: Sequence[Change]) -> Iterator[DriftedPair]:
    """Give every pair that drifted, and every one whose marker this state does not know."""
    planned = {(one.target, one.server): one for one in changes}
    keys = {(one.target, one.server) for one in seen.pairs} | planned.keys()
    for target, name in sorted(keys, key=lambda key: (key[0], natural(key[1]))):
        server, change = seen.servers.get(name), planned.get((target, name))
        if server is None or not server.reached:
            continue
        marker = server.markers.get(target)
        stored = seen.records.get((target, name))
        clues = clues_of_marker(stored, None if marker is None else marker.record)
        parts = () if change is None else tuple(parts_of(seen, change))
        if parts or clues:
            notes = () if change is None else change.notes
            yield DriftedPair(target=target, server=name, parts=parts, clues=clues, notes=notes)


def parts_of(seen: Seen, change: Change) -> Iterator[DriftedPart]:
    """Give the check that fails, and the files and checkouts that differ."""
    if change.drift is None:
        return
    check = seen.servers[change.server].checks.get(change.target)
    if check is not None and check.exit_code and "check exited" in change.drift:
        yield DriftedPart(path=None, what=f"check exited {check.exit_code}", diff=check.output)
    for file in change.files:
        if file.drift:
            yield DriftedPart(path=file.path, what=file.what, diff=file.diff)


async def ask(rooms: Rooms, seen: Seen, pairs: Sequence[DriftedPair]) -> Mapping[str, Evidence]:
    """Ask every server of these pairs about all their paths, once each; one that does not answer says why."""
    paths: dict[str, dict[str, None]] = {}
    for pair in pairs:
        wanted = paths.setdefault(pair.server, {})
        wanted.update((part.path, None) for part in pair.parts if part.path is not None)
    room = asyncio.Semaphore(rooms.parallel)

    async def of(name: str) -> Evidence:
        async with room:
            return await ask_one(rooms, seen, name, tuple(paths[name]))

    names = [name for name, wanted in paths.items() if wanted]
    return dict(zip(names, await asyncio.gather(*map(of, names)), strict=True))


async def ask_one(rooms: Rooms, seen: Seen, name: str, paths: tuple[str, ...]) -> Evidence:
    """Ask one server; whatever is wrong with it takes away clues, never the drift itself."""
    server = seen.declaration.inventory.servers.get(name)
    if server is None:
        return Evidence(lacks=("everything: the server is not declared",))
    try:
        session = await reach_of(seen).dialer.open(server)
        try:
            return await evidence.gather(session, paths, rooms.ids())
        finally:
            await session.close()
    except ControllerError as error:
        return Evidence(lacks=(f"everything: {error.message}",))


def with_clues(rooms: Rooms, pair: DriftedPair, known: Evidence) -> DriftedPair:
    """Put what a server remembers beside what differs there, masked."""
    parts = tuple(
        part
        if part.path is None
        else replace(part, clues=tuple(masked(rooms, one) for one in clues_of(part.path, known)))
        for part in pair.parts
    )
    return replace(pair, parts=parts, lacks=known.lacks)


def masked(rooms: Rooms, clue: Clue) -> Clue:
    """Hide secrets that somebody typed on a command line."""
    return replace(clue, said=rooms.masker.text(clue.said))
