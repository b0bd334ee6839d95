"""A plan as documents for programs: the one of `planning`, with the state named, or one event a line."""

from collections.abc import Iterator

from controller.model.plan import Change, Plan
from controller.planning.document import document


def plan_document(plan: Plan, *, state: str) -> dict[str, object]:
    """Give the whole plan as one document."""
    return {**document(plan), "state": state}


def plan_events(plan: Plan, *, state: str) -> Iterator[dict[str, object]]:
    """Give the plan as one event a line, the summary last."""
    head = plan_document(plan, state=state)
    diagnostics, changes = head.pop("diagnostics"), head.pop("changes")
    if isinstance(diagnostics, list) and isinstance(changes, list):
        yield from ({"type": "diagnostic", **row} for row in diagnostics)
        for change, row in zip(plan.changes, changes, strict=True):
            yield {"type": _event(change), **row}
    yield {"type": "summary", **head}


def _event(change: Change) -> str:
    if change.unknown:
        return "plan.unknown"
    if change.blocked_by is not None:
        return "plan.blocked"
    return "plan.drift" if change.drift is not None else "plan.change"
