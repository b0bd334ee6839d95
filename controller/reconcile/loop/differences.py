"""Whose business a look at a server is: the targets of which it found something else than the look before.

Pure. Called by `servers`.
"""

from collections.abc import Mapping

from controller.model.observation import ServerSeen


def changed_targets(before: ServerSeen | None, after: ServerSeen) -> set[str]:
    """List the targets of which a look found something else than the look before."""
    one, other = _parts(before), _parts(after)
    return {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}


def _parts(seen: ServerSeen | None) -> Mapping[str, object]:
    """Give what a look found by target, without the moments."""
    if seen is None:
        return {}
    names = {*seen.markers, *seen.checks, *seen.locks, *seen.deliveries}
    host = (seen.reached, seen.login, seen.root, seen.limits)
    parts: dict[str, object] = {}
    for name in names:
        marker, check = seen.markers.get(name), seen.checks.get(name)
        delivery = seen.deliveries.get(name)
        parts[name] = (
            host,
            None if marker is None else marker.sha256,
            None if check is None else (check.digest, check.exit_code),
            seen.locks.get(name),
            None if delivery is None else (delivery.digest, delivery.files, delivery.checkout),
        )
    return parts
