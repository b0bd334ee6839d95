"""What a record keeps for the day its pair is let go: how, whether it is protected, its undo, and how its server is reached.

None of this is an input, so that a change of it runs nothing; it must still reach the records and markers of pairs in
sync. Called by `reconcile`, which writes them again at the next apply.
"""

from collections.abc import Collection, Iterable

from controller.model.applied import Applied
from controller.model.declaration import Declaration, Target
from controller.model.inventory import Server
from controller.model.work import Pair
from controller.planning.inputs import Observed, PairKey
from controller.planning.renames import carried
from controller.planning.subject import record_of


def outdated(
    declaration: Declaration,
    pairs: Iterable[Pair],
    observed: Observed,
    running: Collection[PairKey] = (),
) -> tuple[PairKey, ...]:
    """List the pairs in sync whose record or marker keeps what is no longer declared, and those without a record.

    Args:
        declaration: what is declared.
        pairs: the resolved pairs in scope.
        observed: what is known, under the names it is stored under.
        running: pairs that run; their jobs write what is theirs.
    """
    known = carried(declaration, observed)
    servers = declaration.inventory.servers
    found = []
    for pair in pairs:
        key = (pair.target, pair.server)
        record = record_of(known, key, known.servers.get(pair.server))
        if key in running or record is None or record.tried is not None:
            continue
        if record.applied != pair.work.digest:
            continue
        stored = known.records.get(key)
        # A state that learnt of a pair from its marker does not know yet how to let it go.
        kept = stored is not None and not _moved(stored.connection, servers[pair.server])
        if not kept or _differ(record, declaration.targets[pair.target], pair):
            found.append(key)
    return tuple(found)


def _differ(record: Applied, target: Target, pair: Pair) -> bool:
    before = None if record.undo is None else record.undo.digest
    now = None if pair.undo is None else pair.undo.digest
    return (record.on_remove, record.protect, before) != (target.on_remove, target.protect, now)


def _moved(before: Server | None, now: Server) -> bool:
    """Say whether a server is reached otherwise."""
    if before is None:
        return True
    return (before.address, before.carrier, before.ssh) != (now.address, now.carrier, now.ssh)
