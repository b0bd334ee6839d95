"""Pairs that are known but no longer declared: forgotten, undone, or kept, as their record says.

Called by `drafts`. Nothing outside the scope ever goes, and nothing because a server, a repo or a commit is inactive,
invalid or out of reach: only a declaration that is valid and lacks the pair counts. What a record says is that of the
last applied declaration, so that a block that is gone takes neither its undo nor its protection with it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from controller.model.applied import Applied
from controller.model.declaration import Declaration, OnRemove
from controller.model.job import Trigger
from controller.model.observation import ServerSeen
from controller.model.plan import Action, Cause, Change, Gate
from controller.planning.causes import target_cause
from controller.planning.commands import commands
from controller.planning.inputs import Observed, PairKey, Policy
from controller.planning.renames import carried, earlier
from controller.planning.subject import Subject, record_of
from controller.planning.words import gone_words

OVERRIDE: Final = "ctl apply --override protect --reason TEXT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """A pair that goes, and the change that lets it go, which no gate was asked about yet."""

    subject: Subject
    change: Change


def removals(declaration: Declaration, observed: Observed, policy: Policy) -> Iterator[Removal]:
    """Give a change for every pair in scope that has a record or a marker but no declaration.

    Args:
        declaration: what is declared.
        observed: what is known, under the names it is stored under; what was only renamed is not removed.
        policy: the scope, and what people override.
    """
    names, known = earlier(declaration, observed), carried(declaration, observed)
    for key in _undeclared(declaration, known, policy):
        one = _removal(declaration, known, policy, key)
        yield replace(one, change=replace(one.change, was=names.get(key)))


def going(declaration: Declaration, observed: Observed) -> int:
    """Count the pairs of all targets that are to go, now or when their servers are back; what is protected stays.

    Args:
        declaration: what is declared.
        observed: all that is known, under the names of today.
    """
    found = (observed.records.get(key) for key in _undeclared(declaration, observed, Policy()))
    return sum(
        record is None or not (record.protect or record.on_remove is OnRemove.BLOCK)
        for record in found
    )


def _undeclared(declaration: Declaration, observed: Observed, policy: Policy) -> list[PairKey]:
    members = {name: frozenset(target.members) for name, target in declaration.targets.items()}
    nobody: frozenset[str] = frozenset()
    found = set(observed.records)
    for server, seen in observed.servers.items():
        found |= {(target, server) for target in seen.markers}
    return sorted(
        (target, server)
        for target, server in found
        if server not in members.get(target, nobody) and policy.scope.holds(target, server)
    )


def _removal(declaration: Declaration, observed: Observed, policy: Policy, key: PairKey) -> Removal:
    servers = declaration.inventory.servers
    seen, stored = observed.servers.get(key[1]), observed.records.get(key)
    record = _in_force(record_of(observed, key, seen), stored, seen, key[0])
    declared = servers.get(key[1])
    subject = Subject(
        key=key,
        target=declaration.targets.get(key[0]),
        server=declared or (None if stored is None else stored.connection),
        record=record or stored,
        stored=stored,
        seen=seen,
    )
    action, remark = _way(subject, record, policy, left=declared is None)
    if action is Action.REMOVE and record is not None:
        subject = replace(subject, work=record.undo)
    elif declared is None and seen is not None and not seen.reached:
        # Nobody waits for a server that was taken away and has nothing to undo.
        subject = replace(subject, seen=None)
    reason = gone_words(key[0], declared=subject.target is not None, exists=declared is not None)
    change = _change(subject, action, f"{reason}{remark}")
    place = Cause() if declared is None else target_cause(subject, "servers")
    return Removal(subject=subject, change=replace(change, cause=place))


def _in_force(
    record: Applied | None, stored: Applied | None, seen: ServerSeen | None, target: str
) -> Applied | None:
    """Trust the state where a marker is there but says nothing, such as one that is not whole."""
    silent = record is not None and record.applied is None and record.tried is None
    there = seen is not None and target in seen.markers
    return stored if silent and there and stored is not None else record


def _way(
    subject: Subject, record: Applied | None, policy: Policy, *, left: bool
) -> tuple[Action, str]:
    """Say how a pair goes, and a remark to the reason.

    Args:
        subject: the pair.
        record: what is in force; None where nothing is, so that nothing has to be undone.
        policy: what people override.
        left: whether its server left the inventory.
    """
    if record is None or record.on_remove is not OnRemove.RUN:
        return Action.FORGET, ""
    seen = subject.seen
    why = ""
    if record.undo is None:
        why = "its undo is not known any more"
    elif subject.server is None:
        why = "nobody knows how its server was reached"
    elif left and seen is not None and not seen.reached:
        why = "its server does not answer"
    if why and Gate.PROTECT in policy.overrides:
        return Action.FORGET, f"; {why}, and its undo is given up"
    if why and (record.undo is None or subject.server is None):
        return Action.NONE, f"; {why}, so it stays ({OVERRIDE} forgets it)"
    return Action.REMOVE, f"; {why} ({OVERRIDE} gives the undo up)" if why else ""


def _change(subject: Subject, action: Action, reason: str) -> Change:
    name, server = subject.key
    record, undo, marker = subject.record, subject.work, subject.marker
    task = "" if record is None else record.task
    return Change(
        target=name,
        server=server,
        task=task if undo is None else undo.task,
        action=action,
        trigger=Trigger.INPUTS if undo is None else Trigger.REMOVAL,
        reason=reason,
        commit=None if record is None else record.commit,
        before=None if record is None else record.applied,
        after=subject.desired,
        expect=None if marker is None else marker.sha256,
        commands=() if undo is None else commands(undo),
        unknown=action is Action.NONE,
    )
