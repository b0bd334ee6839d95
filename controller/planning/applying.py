"""What `apply` makes of a plan: which changes it carries out, which it leaves and why.

Called by `reconcile`, `waves`, `stale` and `planner`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from controller.model.plan import Action, Change, Gate, Plan
from controller.model.rollout import Order, WhenOffline

QUIET: Final = frozenset({Gate.INACTIVE, Gate.SUSPENDED, Gate.OFFLINE})
"""Gates that make no `apply` end with 4: what a person switched off, and what is counted as unreachable."""


def applies(change: Change, orders: Mapping[str, Order]) -> bool:
    """Say whether `apply` takes a change up.

    A server that does not answer keeps a change waiting. But where a rollout counts such servers, or the target says
    what becomes of them, the change gets a job that ends as unreachable.
    """
    if change.runs:
        return True
    order = orders.get(change.target)
    idle = change.action is Action.FORGET or (change.action is Action.NONE and not change.unknown)
    if order is None or idle or not _offline(change):
        return False
    return order.max_failures is not None or order.when_offline is not WhenOffline.QUEUE


def apply_set(plan: Plan, *, saved: Plan | None = None) -> tuple[Change, ...]:
    """List the changes to carry out; with a saved plan only those that it lists, in its waves."""
    taken = tuple(change for change in plan.changes if applies(change, plan.orders))
    if saved is None:
        return taken
    waves = {
        (change.target, change.server): change.wave
        for change in saved.changes
        if applies(change, saved.orders)
    }
    listed = (change for change in taken if (change.target, change.server) in waves)
    return tuple(replace(change, wave=waves[change.target, change.server]) for change in listed)


def apply_orders(plan: Plan, *, saved: Plan | None = None) -> Mapping[str, Order]:
    """Give what the run keeps to: a saved plan's own word, but for what has failed since it was made."""
    if saved is None:
        return plan.orders
    now = plan.orders
    return {
        name: replace(order, failed=now[name].failed) if name in now else order
        for name, order in saved.orders.items()
    }


def held(plan: Plan) -> tuple[Change, ...]:
    """List what a gate keeps back that makes `apply` end with 4."""
    return tuple(
        change
        for change in plan.changes
        if change.blocked_by is not None and change.blocked_by.gate not in QUIET
    )


def unreachable(plan: Plan) -> tuple[Change, ...]:
    """List what gets no job and waits only for a server to answer, which makes `apply` end with 3."""
    return tuple(
        change
        for change in plan.changes
        if (change.unknown or _offline(change)) and not applies(change, plan.orders)
    )


def _offline(change: Change) -> bool:
    return change.blocked_by is not None and change.blocked_by.gate is Gate.OFFLINE
