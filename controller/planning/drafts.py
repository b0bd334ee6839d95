"""Drafts: what should happen to every pair, before anybody asks whether it may.

Made for `planner`, read by `gating`. Calls `verdict` for each pair that is not plainly in sync, and `removal` for pairs
that are no longer declared.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import starmap

from controller.model.applied import Applied
from controller.model.compared import Compared, Comparison
from controller.model.declaration import Declaration, Target
from controller.model.observation import ServerSeen
from controller.model.plan import Action, Cause, Change
from controller.model.work import Pair, Work
from controller.planning.commands import commands
from controller.planning.inputs import Inputs, Observed, PairKey, Policy
from controller.planning.removal import removals
from controller.planning.renames import carried, earlier
from controller.planning.subject import Subject, record_of
from controller.planning.verdict import Verdict, judge, settled

_IN_SYNC = "in sync"
_IN_SYNC_BEFORE = "in sync when it was last seen"
_NO_SECRETS: Mapping[str, Compared] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One pair with what should happen to it; `change` has no blocker and no wave yet.

    `asks`: the gates are asked. `leaves`: the pair is no longer declared.
    """

    subject: Subject
    change: Change
    asks: bool
    leaves: bool = False

    @property
    def wants(self) -> bool:
        """Whether it would do something if no gate held it."""
        return self.change.action is not Action.NONE and not self.change.unknown


class Look:
    """One look at everything that is wished and known; makes the drafts. `observed` is under the names of today."""

    def __init__(
        self,
        declaration: Declaration,
        inputs: Inputs,
        observed: Observed,
        policy: Policy,
        now: datetime,
    ) -> None:
        self.declaration = declaration
        self.inputs = inputs
        self.observed = carried(declaration, observed)
        self.policy = policy
        self.now = now
        self._known = observed
        self._earlier = earlier(declaration, observed)
        # Where a person asks for more than news, a pair in sync has something to say, too.
        self._quick = not (policy.full or policy.retry or inputs.blocked_sources)

    def pairs(self) -> list[Pair]:
        """List the resolved pairs in scope."""
        pairs, scope = self.inputs.pairs, self.policy.scope
        if scope.whole:
            return list(pairs)
        return [pair for pair in pairs if scope.holds(pair.target, pair.server)]

    def drafts(self, pairs: Sequence[Pair]) -> list[Draft]:
        """Judge everything in scope; what is in sync and silent is left out."""
        made = [draft for draft in starmap(self._draft, self._noted(pairs)) if draft is not None]
        made += self._unresolved(pairs)
        made += self._removed()
        return made

    def subject(
        self, key: PairKey, target: Target | None, work: Work | None, record: Applied | None = None
    ) -> Subject:
        """Gather what is declared and known of a pair."""
        seen = self.observed.servers.get(key[1])
        name = None if target is None else target.repo
        policy = self.policy
        named = policy.scope.targets if policy.named is None else policy.named
        return Subject(
            key=key,
            target=target,
            server=self.declaration.inventory.servers.get(key[1]),
            repo=None if name is None else self.declaration.repos.get(name),
            work=work,
            record=record or record_of(self.observed, key, seen),
            stored=self.observed.records.get(key),
            seen=seen,
            refused=None if name is None else self.inputs.blocked_sources.get(name),
            named=named is not None and key[0] in named,
            surely_new=self.observed.complete,
        )

    def verdict(self, subject: Subject, work: Work) -> Verdict | None:
        """Judge a pair."""
        return judge(
            subject,
            work,
            self.inputs.secrets.get(subject.key, _NO_SECRETS),
            self.inputs.sources.get(subject.key[0]),
            self.policy,
            now=self.now,
        )

    def _noted(self, pairs: Iterable[Pair]) -> Iterator[tuple[Pair, Applied | None, bool]]:
        """Pick the pairs that are not plainly in sync, of nearly all that are; with their record.

        The last value says whether this very look did not reach the server, so that nobody knows what is true there.
        """
        observed, servers, quick = self.observed, self.observed.servers, self._quick
        for pair in pairs:
            seen = servers.get(pair.server)
            record = record_of(observed, (pair.target, pair.server), seen)
            unread = seen is not None and self._unread(seen)
            if unread or not quick or not settled(pair.work, record, seen, pair.target):
                yield pair, record, unread

    def _draft(self, pair: Pair, record: Applied | None, unread: bool) -> Draft | None:  # noqa: FBT001 - as picked
        """Judge a resolved pair; None when it is in sync and nothing is to be said."""
        key = (pair.target, pair.server)
        target = self.declaration.targets[pair.target]
        subject = self.subject(key, target, pair.work, record)
        verdict = self.verdict(subject, pair.work)
        shown = self.policy.full or subject.refused is not None or self._notes(key)
        if verdict is None and (shown or unread):
            reason = _IN_SYNC_BEFORE if unread else _IN_SYNC
            verdict = Verdict(action=Action.NONE, reason=reason, cause=_declared(target))
        return None if verdict is None else self._told(subject, verdict)

    def _unread(self, seen: ServerSeen) -> bool:
        """Say whether this very look did not reach a server, so that nobody knows what is true there."""
        return self.observed.refreshed and not seen.reached

    def _unresolved(self, pairs: Sequence[Pair]) -> Iterator[Draft]:
        """Show the pairs that are declared but have no work: their repo has no commit that may be used."""
        resolved = Counter(pair.target for pair in pairs)
        scope = self.policy.scope
        for target in self.declaration.targets.values():
            members: Sequence[str] = target.members
            if not scope.whole:
                members = [name for name in members if scope.holds(target.name, name)]
            if len(members) == resolved[target.name]:
                continue
            known = {pair.server for pair in pairs if pair.target == target.name}
            for server in members:
                if server not in known:
                    subject = self.subject((target.name, server), target, None)
                    yield self._told(subject, _unresolved(target))

    def _removed(self) -> Iterator[Draft]:
        """Let go what is known but no longer declared."""
        for one in removals(self.declaration, self._known, self.policy):
            asks = not one.change.unknown
            yield Draft(subject=one.subject, change=one.change, asks=asks, leaves=True)

    def _told(self, subject: Subject, verdict: Verdict) -> Draft:
        target, server = subject.key
        work, revision = subject.work, self.inputs.sources.get(target)
        change = Change(
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
            commands=()
            if work is None
            else commands(work, None if revision is None else revision.sha),
            drift=verdict.drift,
            unknown=verdict.unknown,
            notes=(*verdict.notes, *self._notes(subject.key)),
            files=verdict.files,
            was=self._earlier.get(subject.key),
        )
        asks = (
            verdict.action is not Action.NONE
            or subject.refused is not None
            or work is None
            or self._waits(subject, verdict)
        )
        return Draft(subject=subject, change=change, asks=asks)

    def _waits(self, subject: Subject, verdict: Verdict) -> bool:
        """Say whether a pair waits for its server to answer.

        One of which nothing is known counts too, so that a first rollout meets the servers that are away; but not where
        people approve what they see.
        """
        if subject.seen is None or not self._unread(subject.seen):
            return False
        approved = subject.target is not None and subject.target.approval is not None
        return not verdict.unknown or (subject.record is None and not approved)

    def _notes(self, key: PairKey) -> tuple[str, ...]:
        compared = self.inputs.secrets.get(key, _NO_SECRETS)
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
