"""Pairs that are known but no longer declared: their records and markers are forgotten.

Called by `planner`. Nothing outside the scope is ever forgotten, and nothing because a server, a repo or a commit is
inactive, invalid or out of reach: only a declaration that is valid and lacks the pair counts.
"""

from collections.abc import Iterator

from controller.model.declaration import Declaration
from controller.model.job import Trigger
from controller.model.plan import Action, Cause, Change
from controller.planning.gates import Question, first_blocker
from controller.planning.inputs import Observed, PairKey, Policy
from controller.planning.subject import Subject, record_of
from controller.planning.words import gone_words


def forgotten(declaration: Declaration, observed: Observed, policy: Policy) -> Iterator[Change]:
    """Give a change for every pair in scope that has a record or a marker but no declaration."""
    for target, server in _undeclared(declaration, observed, policy):
        seen = observed.servers.get(server)
        subject = Subject(
            key=(target, server),
            target=declaration.targets.get(target),
            server=declaration.inventory.servers.get(server),
            record=record_of(observed, (target, server), seen),
            seen=seen,
        )
        yield _change(subject, policy)


def _undeclared(declaration: Declaration, observed: Observed, policy: Policy) -> set[PairKey]:
    members = {name: frozenset(target.members) for name, target in declaration.targets.items()}
    nobody: frozenset[str] = frozenset()
    found = {
        (target, server)
        for target, server in observed.records
        if server not in members.get(target, nobody)
    }
    for server, seen in observed.servers.items():
        for target in seen.markers:
            if server not in members.get(target, nobody):
                found.add((target, server))
    return {key for key in found if policy.scope.holds(*key)}


def _change(subject: Subject, policy: Policy) -> Change:
    name, server = subject.key
    target, record = subject.target, subject.record
    place = None if target is None else (target.places.get("servers") or target.places.get(""))
    cause = Cause()
    if place is not None and subject.server is not None:
        cause = Cause(file=place.file, line=place.line)
    question = Question(subject=subject, trigger=Trigger.INPUTS, policy=policy)
    reason = gone_words(name, declared=target is not None, exists=subject.server is not None)
    return Change(
        target=name,
        server=server,
        task="" if record is None else record.task,
        action=Action.FORGET,
        reason=reason,
        cause=cause,
        commit=None if record is None else record.commit,
        before=None if record is None else record.applied,
        expect=None if subject.marker is None else subject.marker.sha256,
        blocked_by=first_blocker(question),
    )
