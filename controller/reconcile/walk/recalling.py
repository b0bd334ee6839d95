"""The steps by which the loop plans: everything from what is known, nothing is contacted.

Steps of `steps`, in the places where a plan by hand asks repos and opens servers. What the loop itself did since a server was looked
at is known from its records: a job writes its record and its marker together, so the marker that lies there now can be told.
"""

from collections.abc import Mapping
from dataclasses import replace

from controller.errors import RefusedError, RewoundError, VerificationError
from controller.jobs.marker import encode_marker, marker_digest
from controller.model.applied import Applied
from controller.model.declaration import Repo
from controller.model.ids import RunId
from controller.model.observation import Holder, MarkerSeen, RepoSeen, ServerSeen
from controller.model.plan import Blocker, Gate
from controller.model.serving import Contact
from controller.planning.inputs import PairKey
from controller.planning.renames import renames
from controller.planning.subject import moment, outlived
from controller.reconcile.rooms import Rooms
from controller.reconcile.walk.repos import accepted_of, in_scope, recall, take_sources
from controller.reconcile.walk.seen import Seen

REFUSED = frozenset({RewoundError.reference, VerificationError.reference})
"""Troubles of a repo that a person must settle; one that is merely out of reach holds nothing back that was accepted."""


async def recall_repos(rooms: Rooms, seen: Seen) -> Seen:
    """Take the commit of every repo in scope that was accepted last; what was refused since holds its targets back."""
    targets = [t for t in seen.declaration.targets.values() if in_scope(seen, t) and t.repo]
    known = await rooms.store.observations.repos()
    heads, blocked = {}, {}
    for name in sorted({t.repo for t in targets if t.repo is not None}):
        repo = seen.declaration.repos[name]
        head = await recall(rooms, repo, accepted_of(repo, known))
        if head is not None:
            heads[name] = head
        blocker = blocker_of(repo, known.get(name))
        if blocker is not None:
            blocked[name] = blocker
    return await take_sources(rooms, replace(seen, heads=heads, blocked=blocked), targets)


def blocker_of(repo: Repo, seen: RepoSeen | None) -> Blocker | None:
    """Say why the newest commit of a repo is not taken; None where it is."""
    if seen is None or seen.url != repo.url or seen.error_code not in REFUSED:
        return None
    clear = f"ctl check repo {repo.name} --accept-rewind --reason TEXT"
    return Blocker(
        gate=Gate.SOURCE,
        message=seen.error or str(seen.error_code),
        clear=clear if seen.error_code == RewoundError.reference else f"ctl check repo {repo.name}",
    )


async def recall_servers(rooms: Rooms, seen: Seen) -> Seen:
    """Take what was last seen of every server, and what was done there since."""
    names = set(seen.scope.targets or seen.declaration.targets)
    names |= {was for was, now in renames(seen.declaration).targets.items() if now in names}
    only = names if seen.narrow else None
    records = await rooms.store.records.all(targets=only)
    contacts = await rooms.store.contacts.all()
    known = await rooms.store.observations.servers(targets=only)
    servers = await rooms.aside.do(lambda: as_they_are(known, contacts, records, names))
    return replace(seen, records=records, servers=await without_our_locks(rooms, servers, names))


def as_they_are(
    known: Mapping[str, ServerSeen],
    contacts: Mapping[str, Contact],
    records: Mapping[PairKey, Applied],
    names: set[str],
) -> dict[str, ServerSeen]:
    """Add to looks at servers what the jobs since wrote there of some targets."""
    mine: dict[str, dict[str, Applied]] = {}
    for (target, server), record in records.items():
        if target in names:
            mine.setdefault(server, {})[target] = record
    return {
        name: as_it_is(one, contacts.get(name), mine.get(name, {})) for name, one in known.items()
    }


def as_it_is(
    seen: ServerSeen, contact: Contact | None, records: Mapping[str, Applied]
) -> ServerSeen:
    """Add to a look at a server what the jobs since wrote there; one that failed lately is not away before it is down.

    What failed took the place of what was seen before: then the records say what lies there, until the next look.
    """
    failed = not seen.reached
    if failed:
        if contact is None or contact.down or contact.login_at is None:
            return seen
        seen = replace(seen, reached=True, cause=None, message="", at=contact.login_at)
    markers = dict(seen.markers)
    for target, record in records.items():
        written, there = moment(record), markers.get(target)
        early = there is not None and outlived(there.record, record)
        if written is not None and (failed or early or written >= seen.at):
            marker = marker_of(record)
            if marker is not None:
                markers[target] = marker
    return replace(seen, markers=markers)


def marker_of(record: Applied) -> MarkerSeen | None:
    """Give the marker that was written together with a record; None where there cannot be one."""
    try:
        return MarkerSeen(record=record, sha256=marker_digest(encode_marker(record)))
    except RefusedError:
        return None


async def without_our_locks(
    rooms: Rooms, servers: Mapping[str, ServerSeen], names: set[str]
) -> dict[str, ServerSeen]:
    """Leave out the locks that runs of this very state held when a server was looked at: the state knows better."""
    ours: dict[str, bool] = {}
    found = dict(servers)
    for name, one in servers.items():
        kept: dict[str, Holder] = {}
        for target, holder in one.locks.items():
            if target in names and holder.run not in ours:
                ours[holder.run] = await rooms.store.runs.get(RunId(holder.run)) is not None
            if not ours.get(holder.run, False):
                kept[target] = holder
        if len(kept) < len(one.locks):
            found[name] = replace(one, locks=kept)
    return found
