"""`drift ignore`: drift of a pair, or of one path of it, that is not to be shown until a time. A row of the state.

Called by the facade; told in the activity log before and after.
"""

from datetime import datetime

from controller.declaration.suggest import among
from controller.errors import NotFoundError, UsageError
from controller.model.declaration import Declaration
from controller.model.standing import Ignore
from controller.reconcile.carrying.standing import declared, guard_known, guard_reason
from controller.reconcile.exchange.drifts import Ignored
from controller.reconcile.rooms import Rooms


async def ignore(
    rooms: Rooms, target: str, server: str, *, path: str | None, reason: str, until: datetime
) -> Ignored:
    """Hide drift of a pair until a moment; it takes the place of an earlier decision about the same.

    Raises:
        NotFoundError: there is no such target, or it has no such server.
        UsageError: the path is none of a server, or there is no reason.
    """
    guard_reason(reason)
    guard_pair(await declared(rooms), target, server)
    guard_path(path)
    now = rooms.clock.now()
    if until <= now:
        raise UsageError("drift can be ignored until a time to come only", hint="--until 7d")
    made = Ignore(
        target=target,
        server=server,
        path=path,
        reason=reason,
        by=rooms.actor,
        at=now,
        until=until,
    )
    before = await standing(rooms, target, server, path)
    told = {"target": target, "server": server, "path": path, "reason": reason, "until": until}
    await rooms.activity.append("drift-ignoring", rooms.actor, **told)
    await rooms.store.standings.put(made)
    await rooms.activity.conclude("drift-ignored", rooms.actor, **told)
    return Ignored(ignore=made, replaced=before)


async def lift(
    rooms: Rooms, target: str, server: str, *, path: str | None, reason: str = ""
) -> Ignore | None:
    """Show drift of a pair again; None where nobody hid it. What is no longer declared can be lifted, too."""
    guard_reason(reason, needed=False)
    found = await standing(rooms, target, server, path)
    if found is None:
        return None
    told = {
        "target": target,
        "server": server,
        "path": path,
        "reason": reason,
        "ignored_by": found.by,
        "was": found.reason,
    }
    await rooms.activity.append("drift-showing", rooms.actor, **told)
    await rooms.store.standings.lift(found)
    await rooms.activity.conclude("drift-shown", rooms.actor, **told)
    return found


async def standing(rooms: Rooms, target: str, server: str, path: str | None) -> Ignore | None:
    """Find what was decided about exactly this."""
    for one in (await rooms.store.standings.all()).ignores:
        if (one.target, one.server, one.path) == (target, server, path):
            return one
    return None


def guard_pair(declaration: Declaration, target: str, server: str) -> None:
    """Refuse a pair that is not declared.

    Raises:
        NotFoundError: with the name that was perhaps meant.
    """
    guard_known(declaration, target)
    members = declaration.targets[target].members
    if server not in members:
        raise NotFoundError(
            f"target {target} has no server {server!r}",
            hint=among(server, members, what="server"),
        )


def guard_path(path: str | None) -> None:
    """Refuse what is no path of a server.

    Raises:
        UsageError: it is relative, or holds what no declared path holds.
    """
    if path is not None and (not path.startswith("/") or "\0" in path or "\n" in path):
        raise UsageError(f"--path takes an absolute path on the server, not {path!r}")
