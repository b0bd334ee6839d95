"""Going back: a target is pinned at an earlier commit of its repo, and the commit it is taken back from is kept out.

Called by the facade. It only decides; `ctl apply` then does it, through waves and gates as always. `pins` keeps to it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from controller.errors import NotFoundError, RefusedError
from controller.model.declaration import Repo, Target
from controller.model.ids import Sha
from controller.model.scope import Scope
from controller.model.standing import Pin
from controller.reconcile.carrying.standing import declared, guard_known, guard_reason
from controller.reconcile.exchange.decisions import RolledBack
from controller.reconcile.rooms import Rooms
from controller.reconcile.walk.decided import see_standing
from controller.reconcile.walk.loading import load, see_config
from controller.reconcile.walk.pins import pin_of
from controller.reconcile.walk.repos import credentials_of, see_repos, signers_of
from controller.reconcile.walk.seen import Seen
from controller.reconcile.walk.steps import walk

PREVIOUS: Final = "previous"
LOOK_BACK: Final = (20, 500)
"""So many runs are looked through for the last good one, first few, then many."""
MOST_FILES: Final = 5_000
"""Paths that a pin remembers; where more differ, any later commit lifts it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a target stands: its repo, the newest commit that is accepted, and the pin that holds it now."""

    target: Target
    repo: Repo
    head: Sha
    pin: Pin | None = None


async def rollback(
    rooms: Rooms, name: str, *, to: str, reason: str, until: datetime | None = None
) -> RolledBack:
    """Pin a target at a commit: one that a person names, or "previous", the last that ran well before.

    Raises:
        NotFoundError: there is no such target or commit.
        RefusedError: the target has no repo, is there already, or nothing it watches differs.
        VerificationError: the commit is not signed as the repo's commits must be.
        SourceError: the repo cannot be reached, and nothing is known of it.
    """
    guard_reason(reason)
    guard_known(await declared(rooms), name)
    seen = await see_target(rooms, name)
    place = place_of(seen, name)
    bad = await newest(rooms, place, await commits_there(rooms, name))
    if to == PREVIOUS:
        commit = await previous(rooms, place)
    else:
        commit = await rooms.mirrors.resolve(place.repo, to, credentials_of(seen, place.repo))
    if commit == bad:
        raise RefusedError(
            f"cannot roll back {name}: {commit[:7]} is the newest commit there is",
            hint=f"ctl rollback {name} --lift --reason TEXT lets go of a pin",
        )
    signers = signers_of(seen, place.repo)
    if signers is not None:
        await rooms.mirrors.verified(place.repo, commit, signers)
    files = await rooms.mirrors.changed(place.repo, commit, bad, place.target.paths)
    if place.target.paths and not files:
        raise RefusedError(
            f"cannot roll back {name}: nothing under its paths differs "
            f"between {commit[:7]} and {bad[:7]}"
        )
    pin = Pin(
        target=name,
        repo=place.repo.name,
        commit=commit,
        bad=bad,
        files=files if len(files) <= MOST_FILES else (),
        reason=reason,
        by=rooms.actor,
        at=rooms.clock.now(),
        until=until,
    )
    await put(rooms, pin)
    return RolledBack(pin=pin, replaced=place.pin, files=len(files))


async def put(rooms: Rooms, pin: Pin) -> None:
    """Record a pin, told before and after."""
    told = {
        "target": pin.target,
        "repo": pin.repo,
        "commit": pin.commit,
        "bad": pin.bad,
        "reason": pin.reason,
        "until": pin.until,
    }
    await rooms.activity.append("target-pinning", rooms.actor, **told)
    await rooms.store.standings.put(pin)
    await rooms.activity.conclude("target-pinned", rooms.actor, **told)


async def lift(rooms: Rooms, name: str, *, reason: str) -> Pin | None:
    """Let a target go on from its pin; None when it has none.

    Raises:
        NotFoundError: there is no such target, and none of that name is pinned.
    """
    guard_reason(reason)
    standing = (await rooms.store.standings.all()).pins
    guard_known(await declared(rooms), name, also=standing)
    pin = standing.get(name)
    if pin is None:
        return None
    told = {"target": name, "repo": pin.repo, "commit": pin.commit, "bad": pin.bad}
    await rooms.activity.append("pin-lifting", rooms.actor, **told, reason=reason)
    await rooms.store.standings.lift(pin)
    await rooms.activity.conclude("pin-lifted", rooms.actor, **told, reason=reason)
    return pin


async def see_target(rooms: Rooms, name: str) -> Seen:
    """Look at the repo of one target only."""
    seen = await walk(rooms, Seen(), (see_config, load))
    seen = replace(seen, scope=Scope(targets=frozenset({name})))
    return await walk(rooms, seen, (see_standing, see_repos))


def place_of(seen: Seen, name: str) -> Place:
    """Say where a target stands.

    Raises:
        RefusedError: it has no repo, or nobody knows a commit of it.
    """
    target = seen.declaration.targets[name]
    if target.repo is None:
        raise RefusedError(
            f"cannot roll back {name}: it has no repo, only its declaration changes what it runs",
            hint=f"git revert the commit of the config repository, then: ctl apply --target {name}",
        )
    repo, head = seen.declaration.repos[target.repo], seen.heads.get(target.repo)
    if head is None:
        blocker = seen.blocked.get(target.repo)
        said = "it has no servers" if blocker is None else blocker.message
        raise RefusedError(f"cannot roll back {name}: {said}")
    return Place(target=target, repo=repo, head=head.sha, pin=pin_of(seen.standing, target, repo))


async def commits_there(rooms: Rooms, name: str) -> tuple[Sha, ...]:
    """List the commits that are in force for a target somewhere, and those that were tried last."""
    records = await rooms.store.records.all(targets=(name,))
    applied = (record.commit for record in records.values())
    last = await rooms.store.jobs.past(name, limit=1)
    tried = (commit for run in last for commit in run.commits)
    return tuple(dict.fromkeys(one for one in (*applied, *tried) if one is not None))


async def newest(rooms: Rooms, place: Place, others: Iterable[Sha]) -> Sha:
    """Find the commit that is taken back: the head, unless one that was applied or tried follows it."""
    found = place.head
    for commit in others:
        if await rooms.mirrors.descends(place.repo, found, commit):
            found = commit
    return found


async def previous(rooms: Rooms, place: Place) -> Sha:
    """Find the commit of the last run that ended well with another commit than the last run had.

    While a pin stands only what came before it counts: what was rolled back is nowhere to go back to.

    Raises:
        NotFoundError: this state knows of no such run.
    """
    for limit in LOOK_BACK:
        runs = await rooms.store.jobs.past(place.target.name, limit=limit)
        now = next((run.commits[-1] for run in runs if run.commits), None)
        good = dict.fromkeys(run.commits[-1] for run in runs if run.succeeded and run.commits)
        for commit in good:
            if commit != now and await may_go_to(rooms, place, commit):
                return commit
        if len(runs) < limit:
            break
    raise NotFoundError(
        f"cannot find an earlier commit at which {place.target.name} ran well",
        hint=f"name one with --to REV; ctl history {place.target.name} lists what ran",
    )


async def may_go_to(rooms: Rooms, place: Place, commit: Sha) -> bool:
    """Say whether a commit is still there, and on the near side of a pin."""
    near = commit if place.pin is None else place.pin.commit
    return await rooms.mirrors.descends(place.repo, commit, near)
