"""The step that compares secrets by keyed digest; values are read, hashed and let go."""

from collections.abc import Mapping
from dataclasses import replace

from controller.model.applied import Applied
from controller.model.compared import Compared, Comparison
from controller.model.declaration import Secret
from controller.model.work import Pair, secret_names
from controller.planning.subject import record_of
from controller.reconcile.rooms import Rooms
from controller.reconcile.walk.known import known_today
from controller.reconcile.walk.repos import reach_of
from controller.reconcile.walk.seen import Seen
from controller.secrets import comparison
from controller.secrets.keyring import Keyring


async def compare_secrets(rooms: Rooms, seen: Seen) -> Seen:
    """Compare every secret of every pair that has a record with what was applied there.

    It stands after observing, because the key of a pair that this state never saw lies in its marker.
    """
    if not seen.declaration.secrets:
        return replace(seen, compared={})
    keyring, declared = reach_of(seen).keyring, seen.declaration.secrets
    known = await rooms.aside.do(lambda: with_secrets(seen))
    # A program or a Vault may take its time; meanwhile everybody else goes on.
    await keyring.gather(
        name
        for pair, record in known
        for name in secret_names(pair.work) & _applied(record, pair, declared).keys()
    )
    compared = await rooms.aside.do(
        lambda: {
            (pair.target, pair.server): compare_pair(keyring, pair, record, declared)
            for pair, record in known
        }
    )
    return replace(seen, compared=compared)


def with_secrets(seen: Seen) -> list[tuple[Pair, Applied | None]]:
    """List the pairs that use secrets, with the record that counts."""
    today = known_today(seen)
    return [
        (
            pair,
            record_of(today, (pair.target, pair.server), today.servers.get(pair.server)),
        )
        for pair in seen.pairs
        if secret_names(pair.work)
    ]


def compare_pair(
    keyring: Keyring, pair: Pair, record: Applied | None, declared: Mapping[str, Secret]
) -> Mapping[str, Compared]:
    """Compare the secrets of one pair, by secret name; one that was renamed with what was applied under its earlier name.

    A record that came from a serving controller came without its key: nothing can be compared then.
    """
    if record is not None and record.applied is not None and not record.key:
        kept = Compared(comparison=Comparison.UNREADABLE, reason="the controller keeps its key")
        return dict.fromkeys(secret_names(pair.work), kept)
    return comparison.compare(
        "" if record is None else record.key,
        _applied(record, pair, declared),
        set(secret_names(pair.work)),
        keyring.read,
    )


def _applied(
    record: Applied | None, pair: Pair, declared: Mapping[str, Secret]
) -> Mapping[str, str]:
    """Give the keyed digests of what was applied, by the names of today."""
    applied = {} if record is None else dict(record.secrets)
    for name in secret_names(pair.work):
        was = declared[name].was if name in declared else None
        if was in applied:
            applied.setdefault(name, applied[was])
    return applied
