"""What one declared pair needs: nothing, a first run, a run for changed inputs, a repair — and why.

Called by `drafts`. Gates are asked afterwards: a verdict says what should happen, a gate whether it may.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from controller.model.applied import Applied, Tried
from controller.model.compared import Compared, Comparison
from controller.model.declaration import OnDrift
from controller.model.digest import input_digest
from controller.model.ids import Digest, Sha
from controller.model.job import Trigger
from controller.model.observation import ServerSeen
from controller.model.plan import Action, Cause, FileChange
from controller.model.revision import Revision
from controller.model.standing import Pin
from controller.model.work import DIGEST_FORMAT, Work
from controller.planning.causes import input_cause, target_cause
from controller.planning.deliveries import Told, affected, delivers, drifted, written
from controller.planning.difference import Difference, compare
from controller.planning.drift import drift_of
from controller.planning.inputs import Policy
from controller.planning.looks import Look, look_at
from controller.planning.subject import Subject
from controller.planning.words import (
    change_words,
    elsewhere_words,
    first_words,
    rollback_words,
    tried_words,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a pair needs; `Change` has the same fields and tells them. Texts in `files` are not masked."""

    action: Action
    trigger: Trigger = Trigger.INPUTS
    reason: str
    cause: Cause = field(default_factory=Cause)
    inputs: tuple[str, ...] = ()
    before: Digest | None = None
    drift: str | None = None
    unknown: bool = False
    files: tuple[FileChange, ...] = ()
    notes: tuple[str, ...] = ()


def settled(work: Work, record: Applied | None, seen: ServerSeen | None, target: str) -> bool:
    """Say quickly that a pair is in sync and nothing can be said of it: the answer for nearly all of them."""
    if record is None or record.tried is not None or record.applied != work.digest:
        return False
    if work.secrets or any(file.secrets for file in work.files):
        return False
    return seen is None or (target not in seen.checks and target not in seen.deliveries)


def judge(
    subject: Subject,
    work: Work,
    secrets: Mapping[str, Compared],
    revision: Revision | None,
    policy: Policy,
    *,
    now: datetime | None = None,
) -> Verdict | None:
    """Say what a pair needs; None when it needs nothing and nothing has to be said.

    Args:
        subject: the pair, and what is known of it.
        work: what is wanted.
        secrets: how its secrets compare, by name.
        revision: the repo's commit that is wanted.
        policy: what people want; its ignores of drift count only with `now`.
        now: the time of the plan.
    """
    record = subject.record
    if record is not None and record.format > DIGEST_FORMAT:
        return _too_new(subject, record)
    case = _Case(subject=subject, work=work, revision=revision, policy=policy, now=now)
    if record is None or (record.applied is None and record.tried is None):
        return _first(case)
    if record.tried is not None:
        return _after_try(case, record, record.tried)
    if not _equal(record, work):
        return _changed(case, record)
    return (
        _secret_changed(case, record, secrets)
        or _asked_again(case, record)
        or _drifted(case, record)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """What is to be judged."""

    subject: Subject
    work: Work
    revision: Revision | None
    policy: Policy
    now: datetime | None

    @property
    def commit(self) -> Sha | None:
        """The commit that is wanted."""
        return None if self.revision is None else self.revision.sha

    @property
    def look(self) -> Look:
        """What was seen of the deliveries."""
        subject = self.subject
        return look_at(subject.key[0], self.work, subject.record, subject.seen)

    @property
    def pin(self) -> Pin | None:
        """The pin that holds the target at the wanted commit."""
        pin = self.policy.standing.pins.get(self.subject.key[0])
        if pin is None or self.commit != pin.commit:
            return None
        over = self.now is not None and pin.until is not None and pin.until <= self.now
        return None if over else pin

    def writes(self, difference: Difference, *, hand: bool = False) -> Told:
        """Say what a run will write, where it writes anything."""
        if not delivers(self.work) and not difference.gone:
            return Told()
        return written(self.work, self.look, difference, self.commit, hand=hand)


def _too_new(subject: Subject, record: Applied) -> Verdict:
    return Verdict(
        action=Action.NONE,
        unknown=True,
        reason=f"its record has format {record.format}, newer than this ctl understands",
        cause=target_cause(subject),
    )


def _first(case: _Case) -> Verdict:
    subject = case.subject
    known = subject.surely_new if subject.seen is None else subject.seen.reached
    if not known:
        active = subject.server is None or subject.server.active
        why = "not reached" if subject.seen is not None else "never looked at"
        return Verdict(
            action=Action.NONE if active else Action.ADD,
            unknown=active,
            reason=f"nothing is known: {why if active else 'the server is inactive'}",
            cause=target_cause(subject),
        )
    applied = None if subject.stored is None else subject.stored.applied
    told = case.writes(Difference())
    return Verdict(
        action=Action.ADD,
        reason=first_words(applied=applied is not None, marked=subject.marker is not None),
        cause=target_cause(subject),
        files=told.files,
        notes=told.notes,
    )


def _after_try(case: _Case, record: Applied, tried: Tried) -> Verdict:
    words, pin = tried_words(tried, same=tried.digest == case.work.digest), case.pin
    told = case.writes(Difference())
    return Verdict(
        action=Action.ADD if record.applied is None else Action.CHANGE,
        trigger=Trigger.INPUTS if pin is None else Trigger.ROLLBACK,
        reason=words if pin is None else f"{rollback_words(pin)}; {words}",
        cause=target_cause(case.subject),
        before=tried.digest,
        files=told.files,
        notes=told.notes,
    )


def _equal(record: Applied, work: Work) -> bool:
    """Compare in the record's own format: raising ours must never run anything again."""
    if record.applied == work.digest:
        return True
    if record.format == DIGEST_FORMAT:
        return False
    digests = {name: one.digest for name, one in work.inputs.items()}
    return record.applied == input_digest(digests, version=record.format)


def _changed(case: _Case, record: Applied) -> Verdict:
    subject, pin = case.subject, case.pin
    difference = compare(record.manifest, case.work)
    names = difference.names
    paths = subject.target is not None and bool(subject.target.paths)
    reason = change_words(difference, record, case.revision, paths=paths)
    trigger = Trigger.INPUTS
    if pin is not None and record.commit != pin.commit and (not names or "source" in names):
        reason, trigger = rollback_words(pin), Trigger.ROLLBACK
    elsewhere = elsewhere_words(subject.stored, record)
    told = case.writes(difference, hand=True)
    return Verdict(
        action=Action.CHANGE,
        trigger=trigger,
        reason=f"{reason}; {elsewhere}" if elsewhere else reason,
        cause=input_cause(subject, case.work, names, case.revision),
        inputs=names,
        before=record.applied,
        files=told.files,
        notes=told.notes,
    )


def _secret_changed(
    case: _Case, record: Applied, secrets: Mapping[str, Compared]
) -> Verdict | None:
    work = case.work
    names = sorted(
        name
        for name, one in secrets.items()
        if one.comparison in {Comparison.CHANGED, Comparison.NEW}
    )
    if not names:
        return None
    inputs = (
        *(f"secrets.{env}" for env, secret in sorted(work.secrets.items()) if secret in names),
        *affected(work, names),
    )
    fresh = all(secrets[name].comparison is Comparison.NEW for name in names)
    how = "was never compared here" if fresh else "has another value"
    told = case.writes(Difference(changed=inputs), hand=True)
    return Verdict(
        action=Action.CHANGE,
        reason=f"secret {', '.join(names)} {how}",
        cause=input_cause(case.subject, work, inputs, None),
        inputs=inputs,
        before=record.applied,
        files=told.files,
        notes=told.notes,
    )


def _asked_again(case: _Case, record: Applied) -> Verdict | None:
    if case.subject.key not in case.policy.retry:
        return None
    told = drifted(case.work, case.look, case.commit)
    return Verdict(
        action=Action.RUN,
        trigger=Trigger.RETRY,
        reason="asked to run again",
        cause=target_cause(case.subject),
        before=record.applied,
        files=told.files,
        notes=told.notes,
    )


def _drifted(case: _Case, record: Applied) -> Verdict | None:
    subject, target = case.subject, case.subject.target
    if target is None or subject.seen is None or target.on_drift is OnDrift.IGNORE:
        return None
    told = drifted(case.work, case.look, case.commit)
    drift = drift_of(subject, record, told, case.policy, case.now)
    if not drift.said and not drift.notes:
        return None
    heal = target.on_drift is OnDrift.HEAL or case.policy.heal
    verdict = Verdict(
        action=Action.REPAIR if heal else Action.NONE,
        trigger=Trigger.DRIFT,
        reason="drift" if heal else "drift, only reported (on_drift: report)",
        cause=target_cause(subject, "on_drift"),
        before=record.applied,
        drift=drift.said or None,
        files=drift.files,
        notes=drift.notes,
    )
    if drift.said:
        lost = [f"the repair overwrites {path}, too" for path in drift.hidden] if heal else []
        return replace(verdict, notes=(*verdict.notes, *lost))
    reason = "in sync, as far as it is compared"
    return replace(verdict, action=Action.NONE, reason=reason, cause=target_cause(subject))
