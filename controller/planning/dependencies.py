"""What comes before: targets that must be in sync, or get there by the same plan, before another one runs.

Called by `gating`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from controller.errors import DeclarationError
from controller.model.applied import Applied
from controller.model.declaration import Declaration, Target
from controller.model.ids import Digest
from controller.model.plan import Action, Blocker, Change, Gate
from controller.model.work import Pair
from controller.planning.inputs import Observed, Policy
from controller.planning.order import natural
from controller.planning.subject import record_of


def in_order(declaration: Declaration, names: Iterable[str]) -> list[str]:
    """Sort target names so that each comes after all that it waits for, other targets between them included.

    Raises:
        DeclarationError: targets wait for each other.
    """
    wanted = set(names)
    graph: dict[str, tuple[str, ...]] = {}
    waiting = sorted(wanted)
    while waiting:
        name = waiting.pop()
        if name not in graph:
            target = declaration.targets.get(name)
            graph[name] = () if target is None else target.after
            waiting += graph[name]
    try:
        return [name for name in TopologicalSorter(graph).static_order() if name in wanted]
    except CycleError as error:
        loop = " → ".join(error.args[1])
        raise DeclarationError(f"cannot plan targets that wait for each other: {loop}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """The first server on which a target is not in sync and will not be by this plan, and why."""

    server: str
    why: str


def unmet(target: Target, stuck: Mapping[str, Stuck]) -> Blocker | None:
    """Name the first target before this one that does not get in sync; `stuck` tells it by target."""
    for name in target.after:
        found = stuck.get(name)
        if found is not None:
            return Blocker(
                gate=Gate.DEPENDENCY,
                message=f"target {name} comes before and is not in sync on {found.server}: {found.why}",
                clear=f"ctl why {name} {found.server}",
            )
    return None


def first_stuck(changes: Iterable[Change]) -> Stuck | None:
    """Find the first declared pair of a target that is not in sync and does not run."""
    stuck = (change for change in changes if _is_stuck(change))
    first = min(stuck, key=lambda change: natural(change.server), default=None)
    if first is None:
        return None
    blocker = first.blocked_by
    why = first.reason if blocker is None else f"held by {blocker.gate}"
    return Stuck(server=first.server, why=why)


def left_out(
    declaration: Declaration, observed: Observed, policy: Policy, pairs: Iterable[Pair]
) -> dict[str, Stuck]:
    """Find by target the first server that the plan's filters leave out and that is not known to be in sync.

    Where a pair was not resolved, only its record can tell: there must be one, and no try that did not end well.
    """
    scope = policy.scope
    if scope.whole:
        return {}
    wanted = {
        (pair.target, pair.server): pair.work.digest
        for pair in pairs
        if not scope.holds(pair.target, pair.server)
    }
    found: dict[str, Stuck] = {}
    for name in _waited_for(declaration):
        for server in declaration.targets[name].members:
            if scope.holds(name, server):
                continue
            record = record_of(observed, (name, server), observed.servers.get(server))
            if not _in_sync(record, wanted.get((name, server))):
                found[name] = Stuck(server=server, why="this plan leaves it out")
                break
    return found


def _is_stuck(change: Change) -> bool:
    if change.unknown:
        return True
    # What does nothing is in sync, unless nobody knows what is wanted.
    idle = change.action is Action.NONE and change.after is not None
    return not (idle or change.runs)


def _in_sync(record: Applied | None, wanted: Digest | None) -> bool:
    if record is None or record.tried is not None or record.applied is None:
        return False
    return wanted is None or record.applied == wanted


def _waited_for(declaration: Declaration) -> Iterator[str]:
    names = {name for target in declaration.targets.values() for name in target.after}
    return (name for name in sorted(names) if name in declaration.targets)
