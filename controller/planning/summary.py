"""The frozen last line of a plan: numbers and words.

Called by `planner` for the numbers and by the faces for the sentence.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from controller.model.plan import Action, Change, Plan, Summary

_COUNTED: Final = frozenset({Action.ADD, Action.CHANGE, Action.REMOVE, Action.FORGET, Action.RUN})


def summarize(changes: Iterable[Change]) -> Summary:
    """Count what would happen, what differs on the servers, and what cannot be said or done."""
    actions: Counter[Action] = Counter()
    servers: set[str] = set()
    drifted = blocked = unknown = 0
    for change in changes:
        drifted += change.drift is not None
        unknown += change.unknown
        blocked += change.blocked_by is not None and not change.unknown
        if change.runs:
            actions[change.action] += 1
            if change.action in _COUNTED:
                servers.add(change.server)
    return Summary(
        add=actions[Action.ADD],
        change=actions[Action.CHANGE],
        remove=actions[Action.REMOVE] + actions[Action.FORGET],
        run=actions[Action.RUN],
        servers=len(servers),
        drifted=drifted,
        blocked=blocked,
        unknown=unknown,
    )


def sentence(plan: Plan) -> str:
    """Say the last line of a plan."""
    counted = plan.summary
    if counted == Summary():
        pairs, servers = _count(plan.in_sync, "pair"), _count(plan.servers, "server")
        return f"No changes. {pairs} in sync on {servers}."
    return (
        f"Plan: {counted.add} to add, {counted.change} to change, {counted.remove} to remove, "
        f"{counted.run} to run on {_count(counted.servers, 'server')}; {counted.drifted} drifted; "
        f"{counted.blocked} blocked; {counted.unknown} unknown."
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
