"""The numbers of a plan's frozen last line; called by `planner`. The faces put them into words."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from controller.model.plan import Action, Change, Summary

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
