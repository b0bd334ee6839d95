"""`was`: what is known of a pair under an earlier name of its target or server is known of the pair.

Called by `drafts` and `removal`, which then see everything under the names of today, and by `reconcile`, which moves
records and markers. A name that is declared again, or that two blocks claim, is nobody's earlier name.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from controller.model.declaration import Declaration, Target
from controller.model.inventory import Server
from controller.model.observation import ServerSeen
from controller.planning.inputs import Observed, PairKey

Known = TypeVar("Known")
Names = Mapping[str, str]
"""Names of today by earlier name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Renames:
    """What is called otherwise now."""

    targets: Names = field(default_factory=dict)
    servers: Names = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.targets or self.servers)

    def now(self, key: PairKey) -> PairKey:
        """Give the name of today for a pair."""
        return self.targets.get(key[0], key[0]), self.servers.get(key[1], key[1])


def renames(declaration: Declaration) -> Renames:
    """Collect the earlier names of targets and servers."""
    return Renames(
        targets=_names(declaration.targets), servers=_names(declaration.inventory.servers)
    )


def _names(blocks: Mapping[str, Target] | Mapping[str, Server]) -> Names:
    found: dict[str, str] = {}
    claimed: set[str] = set()
    for name, block in blocks.items():
        if block.was is None or block.was in blocks:
            continue
        if block.was in found:
            claimed.add(block.was)
        found[block.was] = name
    return {was: name for was, name in found.items() if was not in claimed}


def carried(declaration: Declaration, observed: Observed) -> Observed:
    """Show all that is known under the names of today; what is already known under them goes first."""
    names = renames(declaration)
    if not names:
        return observed
    servers: dict[str, ServerSeen] = {}
    for name, seen in _todays_first(observed.servers, names.servers):
        servers.setdefault(name, _seen(seen, name, names.targets))
    records = dict(observed.records)
    for key, record in observed.records.items():
        now = names.now(key)
        if now != key:
            del records[key]
            records.setdefault(now, replace(record, target=now[0], server=now[1]))
    return replace(observed, records=records, servers=servers)


def seen_today(declaration: Declaration, seen: ServerSeen) -> ServerSeen:
    """Show what was seen of one server under the names that targets have today."""
    return _seen(seen, seen.server, _names(declaration.targets))


def earlier(declaration: Declaration, observed: Observed) -> dict[PairKey, PairKey]:
    """Give, for every pair that something is still known of under an earlier name, that name."""
    return {now: was for was, now in moved(declaration, observed)}


def moved(
    declaration: Declaration, observed: Observed, running: Collection[PairKey] = ()
) -> tuple[tuple[PairKey, PairKey], ...]:
    """List (earlier name, name of today) of the pairs whose records and markers are to be moved.

    Args:
        declaration: what is declared.
        observed: what is known, under the names it is stored under.
        running: pairs that run; their jobs move what is theirs.
    """
    names = renames(declaration)
    if not names:
        return ()
    known = set(observed.records)
    for server, seen in observed.servers.items():
        known |= {(target, server) for target in seen.markers if target in names.targets}
    pairs = ((key, names.now(key)) for key in sorted(known))
    return tuple((was, now) for was, now in pairs if was != now and now not in running)


def _todays_first(known: Mapping[str, Known], names: Names) -> list[tuple[str, Known]]:
    """List what is known by name of today; what is stored under an earlier name comes last."""
    today = [(name, one) for name, one in known.items() if name not in names]
    return today + [(names[name], one) for name, one in known.items() if name in names]


def _seen(seen: ServerSeen, name: str, targets: Names) -> ServerSeen:
    """Show what was seen of a server under the names of today."""
    return replace(
        seen,
        server=name,
        markers=_renamed(seen.markers, targets),
        checks=_renamed(seen.checks, targets),
        locks=_renamed(seen.locks, targets),
        deliveries=_renamed(seen.deliveries, targets),
    )


def _renamed(known: Mapping[str, Known], names: Names) -> Mapping[str, Known]:
    if names.keys().isdisjoint(known):
        return known
    found: dict[str, Known] = {}
    for name, one in _todays_first(known, names):
        found.setdefault(name, one)
    return found
