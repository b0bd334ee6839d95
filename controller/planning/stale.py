"""Whether a saved plan still says what would be done.

Called by `reconcile` with the saved plan and one made now. Only the pairs that the saved plan would run count, and of
them only what was applied and what is wanted: other pairs, other commits and other reasons make nothing stale.
"""

from controller.model.plan import Change, Plan
from controller.planning.applying import applies


def first_difference(saved: Plan, fresh: Plan) -> str | None:
    """Name the first pair that is not as the saved plan saw it; None when there is none."""
    now = {(change.target, change.server): change for change in fresh.changes}
    for change in saved.changes:
        if applies(change, saved.orders):
            said = _difference(change, now.get((change.target, change.server)))
            if said is not None:
                return f"target {change.target} on {change.server}: {said}"
    return None


def _difference(then: Change, now: Change | None) -> str | None:
    if now is None:
        return f"planned to {then.action}, now nothing is to be done"
    if now.after != then.after:
        return f"wanted {_short(then.after)} when it was planned, now {_short(now.after)}"
    if now.before != then.before:
        return f"had {_short(then.before)} applied when it was planned, now {_short(now.before)}"
    if now.unknown and not then.unknown:
        return f"planned to {then.action}, now nothing is known of it: {now.reason}"
    if now.action is not then.action:
        return f"planned to {then.action}, now to {now.action}"
    return None


def _short(digest: str | None) -> str:
    return "nothing" if digest is None else digest[:8]
