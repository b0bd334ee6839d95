"""What `apply` makes of a plan: which changes it runs, which it leaves and why.

Called by `reconcile`.
"""

from controller.model.plan import Change, Gate, Plan


def apply_set(plan: Plan, *, saved: Plan | None = None) -> tuple[Change, ...]:
    """List the changes to carry out; with a saved plan only those that it would run."""
    running = tuple(change for change in plan.changes if change.runs)
    if saved is None:
        return running
    listed = {(change.target, change.server) for change in saved.changes if change.runs}
    return tuple(change for change in running if (change.target, change.server) in listed)


def held(plan: Plan) -> tuple[Change, ...]:
    """List what a gate keeps back that makes `apply` end with 4: all but what a person switched off or is offline."""
    quiet = {Gate.INACTIVE, Gate.OFFLINE}
    return tuple(
        change
        for change in plan.changes
        if change.blocked_by is not None and change.blocked_by.gate not in quiet
    )


def unreachable(plan: Plan) -> tuple[Change, ...]:
    """List what waits only for a server to answer, which makes `apply` end with 3."""
    return tuple(
        change
        for change in plan.changes
        if change.unknown
        or (change.blocked_by is not None and change.blocked_by.gate is Gate.OFFLINE)
    )
