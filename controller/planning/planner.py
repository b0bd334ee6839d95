"""The planner: wishes and knowledge in, a plan with reasons out. Pure; it never waits and asks nobody.

Called by `reconcile`. Calls `verdict` for each pair, `gates` for what must wait, `removal` for pairs that are no longer
declared, `summary` for the numbers.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from controller.errors import NotFoundError
from controller.model.applied import Applied
from controller.model.compared import Compared, Comparison
from controller.model.declaration import Declaration, Target
from controller.model.digest import digest_of
from controller.model.ids import Digest
from controller.model.job import Trigger
from controller.model.observation import ServerSeen
from controller.model.plan import Action, Cause, Change, Plan
from controller.model.work import Pair, Work
from controller.planning.commands import commands
from controller.planning.gates import GateResult, Question, first_blocker, gates
from controller.planning.inputs import (
    Inputs,
    Observed,
    PairKey,
    Policy,
)
from controller.planning.order import natural
from controller.planning.removal import forgotten
from controller.planning.rights import needs_root
from controller.planning.subject import Subject, record_of
from controller.planning.summary import summarize
from controller.planning.verdict import Verdict, judge


def plan(
    declaration: Declaration, inputs: Inputs, observed: Observed, policy: Policy, now: datetime
) -> Plan:
    """Say what would happen to every pair in scope, and why.

    Args:
        declaration: what the revision asks for.
        inputs: its pairs, resolved, and how secrets compare.
        observed: applied records and what was last seen of the servers.
        policy: scope and wishes of the person, or of the loop.
        now: the time of the plan, in UTC.
    """
    view = _View(declaration, inputs, observed, policy)
    scope = policy.scope
    pairs = [pair for pair in inputs.pairs if scope.whole or scope.holds(pair.target, pair.server)]
    changes = [change for change in map(view.change, pairs) if change is not None]
    in_sync = len(pairs) - sum(not _at_rest(change) for change in changes)
    changes += view.unresolved(pairs)
    changes += forgotten(declaration, observed, policy)
    changes.sort(key=lambda change: (change.wave, change.target, natural(change.server)))
    servers = {pair.server for pair in pairs} | {change.server for change in changes}
    looks = (observed.servers[name].at for name in servers if name in observed.servers)
    return Plan(
        commit=inputs.commit,
        dirty=inputs.dirty,
        author=inputs.author,
        subject=inputs.subject,
        digest=plan_digest(changes),
        created_at=now,
        expires_at=now + policy.expires,
        observed_at=min(looks, default=None),
        changes=tuple(changes),
        diagnostics=inputs.diagnostics + needs_root(pairs, changes, observed.servers),
        summary=summarize(changes),
        in_sync=in_sync,
        servers=len(servers),
        scope=policy.filters,
    )


def why(
    declaration: Declaration, inputs: Inputs, observed: Observed, policy: Policy, pair: PairKey
) -> tuple[GateResult, ...]:
    """List the gates of one pair in order, as they answer now.

    Raises:
        NotFoundError: the declaration has no such target, or the target does not pick the server.
    """
    target = declaration.targets.get(pair[0])
    if target is None:
        raise NotFoundError(f"no target is named {pair[0]}", hint="ctl get targets lists them")
    if pair[1] not in target.members:
        raise NotFoundError(
            f"target {pair[0]} does not pick server {pair[1]}",
            hint=f"ctl get targets {pair[0]} lists its servers",
        )
    view = _View(declaration, inputs, observed, policy)
    work = next((p.work for p in inputs.pairs if (p.target, p.server) == pair), None)
    subject = view.subject(pair, target, work)
    verdict = None if work is None else view.verdict(subject, work)
    trigger = Trigger.INPUTS if verdict is None else verdict.trigger
    return gates(Question(subject=subject, trigger=trigger, policy=policy))


def plan_digest(changes: Iterable[Change]) -> Digest:
    """Hash what `apply` would do, and nothing else: not reasons, not commits, not what is only shown."""
    return digest_of(
        sorted([c.target, c.server, c.action, c.after or ""] for c in changes if c.runs)
    )


def _at_rest(change: Change) -> bool:
    """Say whether a pair is in sync and only shown because somebody asked, or for a note."""
    silent = change.drift is None and change.blocked_by is None and not change.unknown
    return change.action is Action.NONE and silent


_IN_SYNC = "in sync"
_IN_SYNC_BEFORE = "in sync when it was last seen"
_NO_SECRETS: Mapping[str, Compared] = {}


class _View:
    """One look at everything; makes the changes."""

    def __init__(
        self, declaration: Declaration, inputs: Inputs, observed: Observed, policy: Policy
    ) -> None:
        self._declaration = declaration
        self._inputs = inputs
        self._observed = observed
        self._policy = policy

    def change(self, pair: Pair) -> Change | None:
        """Judge a resolved pair; None when it is in sync and nothing is to be said."""
        key = (pair.target, pair.server)
        seen = self._observed.servers.get(pair.server)
        record = record_of(self._observed, key, seen)
        unread = self._unread(seen)
        if self._settled(pair, record, seen) and not unread:
            return None
        target = self._declaration.targets[pair.target]
        subject = self.subject(key, target, pair.work, record)
        verdict = self.verdict(subject, pair.work)
        shown = self._policy.full or subject.refused is not None or self._notes(key)
        if verdict is None and (shown or unread):
            reason = _IN_SYNC_BEFORE if unread else _IN_SYNC
            verdict = Verdict(action=Action.NONE, reason=reason, cause=_declared(target))
        return None if verdict is None else self._tell(subject, verdict)

    def _settled(self, pair: Pair, record: Applied | None, seen: ServerSeen | None) -> bool:
        """Say quickly that a pair is in sync: the answer for nearly all of them."""
        if record is None or record.tried is not None or record.applied != pair.work.digest:
            return False
        if pair.work.secrets or (seen is not None and pair.target in seen.checks):
            return False
        policy = self._policy
        return not (policy.full or policy.retry or self._inputs.blocked_sources)

    def _unread(self, seen: ServerSeen | None) -> bool:
        """Say whether this very look did not reach a server, so that nobody knows what is true there."""
        return self._observed.refreshed and seen is not None and not seen.reached

    def verdict(self, subject: Subject, work: Work) -> Verdict | None:
        """Judge a pair."""
        return judge(
            subject,
            work,
            self._inputs.secrets.get(subject.key, _NO_SECRETS),
            self._inputs.sources.get(subject.key[0]),
            self._policy,
        )

    def unresolved(self, pairs: list[Pair]) -> Iterator[Change]:
        """Show the pairs that are declared but have no work: their repo has no commit that may be used."""
        resolved = Counter(pair.target for pair in pairs)
        scope = self._policy.scope
        for target in self._declaration.targets.values():
            members = [name for name in target.members if scope.holds(target.name, name)]
            if len(members) == resolved[target.name]:
                continue
            known = {pair.server for pair in pairs if pair.target == target.name}
            for server in members:
                if server not in known:
                    subject = self.subject((target.name, server), target, None)
                    yield self._tell(subject, _unresolved(target))

    def subject(
        self, key: PairKey, target: Target, work: Work | None, record: Applied | None = None
    ) -> Subject:
        """Gather what is declared and known of a pair."""
        seen = self._observed.servers.get(key[1])
        repo = None if target.repo is None else self._declaration.repos.get(target.repo)
        refused = None if target.repo is None else self._inputs.blocked_sources.get(target.repo)
        named = self._policy.scope.targets is not None and key[0] in self._policy.scope.targets
        return Subject(
            key=key,
            target=target,
            server=self._declaration.inventory.servers.get(key[1]),
            repo=repo,
            work=work,
            record=record or record_of(self._observed, key, seen),
            seen=seen,
            refused=refused,
            named=named,
            surely_new=self._observed.complete,
        )

    def _tell(self, subject: Subject, verdict: Verdict) -> Change:
        target, server = subject.key
        work, revision = subject.work, self._inputs.sources.get(target)
        question = Question(subject=subject, trigger=verdict.trigger, policy=self._policy)
        needs_gate = (
            verdict.action is not Action.NONE
            or subject.refused is not None
            or work is None
            or (not verdict.unknown and self._unread(subject.seen))
        )
        blocker = first_blocker(question) if needs_gate else None
        return Change(
            target=target,
            server=server,
            task="" if subject.target is None else subject.target.task,
            action=verdict.action,
            trigger=verdict.trigger,
            reason=verdict.reason,
            cause=verdict.cause,
            commit=None if revision is None else revision.sha,
            inputs=verdict.inputs,
            before=verdict.before,
            after=subject.desired,
            expect=None if subject.marker is None else subject.marker.sha256,
            commands=() if work is None else commands(work),
            drift=verdict.drift,
            blocked_by=blocker,
            unknown=verdict.unknown or (work is None and blocker is None),
            notes=self._notes(subject.key),
        )

    def _notes(self, key: PairKey) -> tuple[str, ...]:
        compared = self._inputs.secrets.get(key, _NO_SECRETS)
        return tuple(
            f"{name} not compared ({one.reason})"
            for name, one in sorted(compared.items())
            if one.comparison is Comparison.UNREADABLE
        )


def _declared(target: Target) -> Cause:
    place = target.places.get("")
    return Cause() if place is None else Cause(file=place.file, line=place.line)


def _unresolved(target: Target) -> Verdict:
    place = target.places.get("repo") or target.places.get("")
    cause = Cause() if place is None else Cause(file=place.file, line=place.line)
    return Verdict(
        action=Action.NONE,
        reason=f"no commit of repo {target.repo} is known" if target.repo else "not resolved",
        cause=cause,
    )
