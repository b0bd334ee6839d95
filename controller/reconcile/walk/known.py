"""What is known of pairs under the names they have today; called by every step that reads records or markers."""

from dataclasses import replace

from controller.model.applied import Applied
from controller.model.inventory import Server
from controller.planning.inputs import Observed, PairKey
from controller.planning.renames import carried
from controller.planning.subject import record_of
from controller.reconcile.walk.seen import Seen


def known_seen(seen: Seen) -> Observed:
    """Hand over what is known, under the names it is stored under."""
    return Observed(
        records=seen.records,
        servers=seen.servers,
        refreshed=seen.contacts,
        complete=seen.request.between is not None,
    )


def known_today(seen: Seen) -> Observed:
    """Hand over what is known, under the names of today."""
    return carried(seen.declaration, known_seen(seen))


def known_record(today: Observed, key: PairKey) -> Applied | None:
    """Give the record of a pair that counts, from what is known under the names of today: the server's, or the state's."""
    record = record_of(today, key, today.servers.get(key[1]))
    if record is None or (record.target, record.server) == key:
        return record
    return replace(record, target=key[0], server=key[1])


def known_connection(seen: Seen, today: Observed, key: PairKey) -> Server | None:
    """Say how the server of a pair was reached last; a marker does not say it."""
    there, stored = today.servers.get(key[1]), today.records.get(key)
    declared = seen.declaration.inventory.servers.get(key[1])
    if declared is not None and there is not None and there.reached:
        return declared
    return declared if stored is None else stored.connection
