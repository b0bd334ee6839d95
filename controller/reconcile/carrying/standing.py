"""Deciding about a target: suspend, resume, approve. What is decided is a row of the state, never a declaration.

Called by the facade; each decision is told in the activity log before and after. `rollback` has the decision to go back.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

from controller.declaration.suggest import among
from controller.errors import NotFoundError, RefusedError, UsageError
from controller.model.declaration import Declaration, Target
from controller.model.plan import Change, Gate
from controller.model.standing import Approval, Standing, Suspension
from controller.planning.approvals import unapproved
from controller.planning.circumstances import authors_of
from controller.reconcile.exchange.decisions import Approved, Resumed, Suspended
from controller.reconcile.exchange.requests import Confirm, PlanRequest
from controller.reconcile.rooms import Rooms
from controller.reconcile.walk.deciding import inputs_of, plan_of, policy_of
from controller.reconcile.walk.loading import load, see_config
from controller.reconcile.walk.seen import Seen
from controller.reconcile.walk.steps import PLAN, walk

LONGEST_REASON: Final = 1_000
"""Letters of a reason; it stands in a row, in the log, and in every plan."""


async def suspend(
    rooms: Rooms, name: str, *, reason: str, until: datetime | None = None
) -> Suspended:
    """Switch a target off until a moment, or until it is resumed; it takes the place of an earlier suspension.

    Raises:
        NotFoundError: there is no such target.
        UsageError: there is no reason, or a very long one.
    """
    guard_reason(reason)
    declaration = await declared(rooms)
    guard_known(declaration, name)
    before = (await rooms.store.standings.all()).suspensions.get(name)
    made = Suspension(target=name, reason=reason, by=rooms.actor, at=rooms.clock.now(), until=until)
    told = {"target": name, "reason": reason, "until": until}
    await rooms.activity.append("target-suspending", rooms.actor, **told)
    await rooms.store.standings.put(made)
    await rooms.activity.conclude("target-suspended", rooms.actor, **told)
    return Suspended(suspension=made, replaced=before)


async def resume(rooms: Rooms, name: str, *, reason: str = "") -> Resumed:
    """Switch a target on again. What its declaration says about it stays.

    Raises:
        NotFoundError: there is no such target, and none of that name is suspended.
    """
    guard_reason(reason, needed=False)
    declaration = await declared(rooms)
    standing = (await rooms.store.standings.all()).suspensions
    guard_known(declaration, name, also=standing)
    found = standing.get(name)
    if found is not None:
        told = {"target": name, "reason": reason, "suspended_by": found.by, "was": found.reason}
        await rooms.activity.append("target-resuming", rooms.actor, **told)
        await rooms.store.standings.lift(found)
        await rooms.activity.conclude("target-resumed", rooms.actor, **told)
    return Resumed(
        lifted=found, declared=still_declared(declaration.targets.get(name), rooms.clock.now())
    )


def still_declared(target: Target | None, now: datetime) -> str | None:
    """Say where a declaration suspends its target, None where it does not."""
    declared_ = None if target is None else target.suspended
    if target is None or declared_ is None:
        return None
    if declared_.until is not None and declared_.until <= now:
        return None
    return str(target.places.get("suspended") or target.places.get("") or "its declaration")


async def approve(rooms: Rooms, name: str, *, confirm: Confirm, reason: str = "") -> Approved:
    """Plan now, show what would happen to a target, and after a yes approve exactly that.

    Raises:
        NotFoundError: there is no such target.
        RefusedError: the approval of this person would not count.
    """
    guard_reason(reason, needed=False)
    guard_known(await declared(rooms), name)
    # Shown as it will be once it is approved: what happens, not that it waits for this very answer.
    request = PlanRequest(targets=(name,), overrides={Gate.APPROVAL: "about to be approved"})
    seen = await walk(rooms, Seen(request=request), PLAN)
    plan = plan_of(seen)
    digest = plan.approvable.get(name)
    if digest is None:
        return Approved(plan=plan)
    approval = Approval(
        target=name,
        digest=digest,
        by=rooms.actor,
        at=rooms.clock.now(),
        reason=reason,
        proved=rooms.proved,
    )
    guard_counts(seen, approval)
    if not confirm(plan):
        return Approved(plan=plan, digest=digest)
    told = {
        "target": name,
        "digest": digest,
        "reason": reason,
        "servers": touched(plan.changes, name),
    }
    await rooms.activity.append("plan-approving", rooms.actor, **told)
    await rooms.store.standings.put(approval)
    await rooms.activity.conclude("plan-approved", rooms.actor, **told)
    return Approved(plan=plan, digest=digest, approval=approval)


def guard_counts(seen: Seen, approval: Approval) -> None:
    """Refuse an approval that would not count: of no approver, of the author, or where several have to be counted."""
    target = seen.declaration.targets[approval.target]
    if target.approval is None:
        return
    if approval.proved:  # others may come after it
        target = replace(target, approval=replace(target.approval, required=1))
    blocker = unapproved(
        target,
        approval.digest,
        replace(policy_of(seen), standing=Standing(approvals=(approval,)), proved=approval.proved),
        approvers=seen.declaration.settings.approvers,
        authors=tuple(authors_of(target.name, inputs_of(seen))),
    )
    if blocker is not None:
        raise RefusedError(f"cannot approve target {target.name}: {blocker.message}")


def touched(changes: Iterable[Change], target: str) -> int:
    """Count the servers on which something would happen to a target."""
    return len({change.server for change in changes if change.target == target})


async def declared(rooms: Rooms) -> Declaration:
    """Read the declarations of the work tree."""
    return (await walk(rooms, Seen(), (see_config, load))).declaration


def guard_known(declaration: Declaration, name: str, *, also: Iterable[str] = ()) -> None:
    """Refuse a name that no target has.

    Raises:
        NotFoundError: with the name that was perhaps meant.
    """
    names = {*declaration.targets, *also}
    if name not in names:
        raise NotFoundError(f"there is no target {name!r}", hint=among(name, names, what="target"))


def guard_reason(reason: str, *, needed: bool = True) -> None:
    """Refuse what is no reason.

    Raises:
        UsageError: it is empty, or longer than anybody reads.
    """
    if needed and not reason.strip():
        raise UsageError("this needs a reason", hint="--reason TEXT")
    if len(reason) > LONGEST_REASON:
        raise UsageError(f"a reason has at most {LONGEST_REASON} letters, not {len(reason)}")
