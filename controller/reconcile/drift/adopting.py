"""`drift adopt`: what lies on a server becomes a patch against the config repository. Nothing is written but that text.

Called by the facade. It walks as `plan` does, reads the drifted files of one pair, asks `amendment` what would have to be
declared, loads that, and demands that it gives exactly what lies there.
"""

import hashlib
from dataclasses import replace

from controller.declaration.patches import patch
from controller.errors import NotFoundError, RefusedError
from controller.model.files import LARGEST_FILE, FileKind, FileSpec
from controller.model.plan import Action, Change
from controller.reconcile.carrying.standing import declared
from controller.reconcile.drift.amendment import Amendment, Live, amendment, together
from controller.reconcile.drift.ignoring import guard_pair, guard_path
from controller.reconcile.drift.trial import Case, reach, trial
from controller.reconcile.exchange.drifts import Adoption, NotAdopted
from controller.reconcile.exchange.requests import PlanRequest
from controller.reconcile.rooms import Rooms
from controller.reconcile.walk.deciding import plan_of
from controller.reconcile.walk.loading import tree_of
from controller.reconcile.walk.repos import reach_of
from controller.reconcile.walk.seen import Seen
from controller.reconcile.walk.steps import PLAN, walk
from controller.transport.port import Session


async def adopt(rooms: Rooms, target: str, server: str, path: str | None) -> Adoption:
    """Write what drifted on a server as a patch of the config repository.

    Raises:
        NotFoundError: there is no such pair, or `path` did not drift there.
        RefusedError: the server was not reached, or the pair has changes to be applied.
    """
    guard_path(path)
    guard_pair(await declared(rooms), target, server)
    request = PlanRequest(targets=(target,), limit=server)
    seen = await walk(rooms, Seen(request=request), PLAN)
    change = drifted(seen, target, server)
    wanted = [one.path for one in change.files if one.drift] if change is not None else []
    if path is not None:
        if path not in wanted:
            raise NotFoundError(
                f"no drift of {path} was seen on {server}", hint=f"ctl drift show {target}"
            )
        wanted = [path]
    if not wanted:
        return Adoption()
    pair = next(one for one in seen.pairs if (one.target, one.server) == (target, server))
    case = Case(rooms=rooms, seen=seen, pair=pair, tree=tree_of(rooms, seen))
    return await _adopt(case, wanted)


def drifted(seen: Seen, target: str, server: str) -> Change | None:
    """Find the change of a pair; only what is in force can be told from what is merely not applied yet.

    Raises:
        RefusedError: the server was not reached, or the pair has changes to be applied.
    """
    looked = seen.servers.get(server)
    if looked is None or not looked.reached:
        why = "nobody looked" if looked is None else looked.message
        raise RefusedError(f"cannot adopt from {server}: {why}", hint=f"ctl check server {server}")
    found = [one for one in plan_of(seen).changes if (one.target, one.server) == (target, server)]
    for one in found:
        if one.action not in {Action.NONE, Action.REPAIR} or one.unknown:
            raise RefusedError(
                f"cannot adopt from {server}: {one.reason}",
                hint=f"first ctl apply --target {target} -l {server}, or take the change back",
            )
    return found[0] if found else None


async def _adopt(case: Case, paths: list[str]) -> Adoption:
    """Adopt file by file, so that one that cannot be adopted leaves the others."""
    made: dict[str, Amendment] = {}
    lives: dict[str, Live] = {}
    refused: list[NotAdopted] = []
    server = case.seen.declaration.inventory.servers[case.pair.server]
    session = await reach_of(case.seen).dialer.open(server)
    try:
        for path in paths:
            try:
                live = await _live(case, session, path)
                one = amendment(_spec(case, path), live, case.tree)
                together(case.tree, made | {path: one})
                await trial(case, {path: one}, {path: live})
            except RefusedError as error:
                refused.append(NotAdopted(path=path, message=error.message, hint=error.hint))
            else:
                made[path], lives[path] = one, live
    finally:
        await session.close()
    if not made:
        return Adoption(refused=tuple(refused))
    also, others = await reach(case, await trial(case, made, lives), made)
    return Adoption(
        patch=patch(together(case.tree, made)),
        adopted=tuple(made),
        refused=tuple(refused),
        also=also,
        others=others,
    )


def _spec(case: Case, path: str) -> FileSpec:
    """Find the declaration of a delivered file by the place of its path.

    Raises:
        RefusedError: it is no file: a checkout comes from its repo.
    """
    declaration = case.seen.declaration
    task = declaration.tasks[declaration.targets[case.pair.target].task]
    place = next((one.place for one in case.pair.work.files if one.path == path), None)
    for spec in task.files:
        if place is not None and spec.places.get("path") == place:
            return spec
    raise RefusedError(
        f"cannot adopt {path}: it is a checkout", hint="commit the change to the repo it comes from"
    )


async def _live(case: Case, session: Session, path: str) -> Live:
    """Read a file of a server, no more of it than a file may have.

    Raises:
        RefusedError: it is no file, too large, changed meanwhile, or holds a secret.
    """
    delivery = case.seen.servers[case.pair.server].deliveries.get(case.pair.target)
    seen = None if delivery is None else delivery.files.get(path)
    work = next((one for one in case.pair.work.files if one.path == path), None)
    if seen is None or work is None:
        raise RefusedError(
            f"cannot adopt {path}: it is a checkout",
            hint="commit the change to the repo it comes from",
        )
    looked = case.seen.servers[case.pair.server]
    owner = case.pair.work.user or ("root" if looked.root else looked.login)
    live = Live(seen=seen, data=b"", work=work, owner=owner)
    if seen.kind is not FileKind.FILE or work.secrets:
        return live
    if seen.size > LARGEST_FILE:
        raise RefusedError(f"cannot adopt {path}: it has {seen.size} bytes, at most {LARGEST_FILE}")
    data = await _read(session, path)
    if hashlib.sha256(data).hexdigest() != seen.digest:
        raise RefusedError(
            f"cannot adopt {path}: it was changed while it was read", hint="run it again"
        )
    if case.rooms.masker.mask(data) != data:
        raise RefusedError(
            f"cannot adopt {path}: it holds the value of a secret",
            hint="deliver it by a template with secret('NAME')",
        )
    return replace(live, data=data)


async def _read(session: Session, path: str) -> bytes:
    data = b""
    try:
        async for piece in session.fetch(path):
            data += piece
            if len(data) > LARGEST_FILE:
                break
    except NotFoundError as error:
        raise RefusedError(f"cannot adopt {path}: {error.message}") from error
    return data
