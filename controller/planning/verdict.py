"""What one declared pair needs: nothing, a first run, a run for changed inputs, a repair — and why.

Called by `planner`. Gates are asked afterwards: a verdict says what should happen, a gate whether it may.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.model.applied import Applied
from controller.model.compared import Compared, Comparison
from controller.model.declaration import OnDrift
from controller.model.digest import input_digest
from controller.model.ids import Digest
from controller.model.job import Trigger
from controller.model.plan import Action, Cause
from controller.model.revision import Revision
from controller.model.work import DIGEST_FORMAT, Work
from controller.planning.difference import compare
from controller.planning.inputs import Policy
from controller.planning.origins import origins
from controller.planning.subject import Subject
from controller.planning.words import change_words, tried_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a pair needs; `Change` has the same fields and tells them."""

    action: Action
    trigger: Trigger = Trigger.INPUTS
    reason: str
    cause: Cause = field(default_factory=Cause)
    inputs: tuple[str, ...] = ()
    before: Digest | None = None
    drift: str | None = None
    unknown: bool = False


def judge(
    subject: Subject,
    work: Work,
    secrets: Mapping[str, Compared],
    revision: Revision | None,
    policy: Policy,
) -> Verdict | None:
    """Say what a pair needs; None when it needs nothing and nothing has to be said."""
    record = subject.record
    if record is None or (record.applied is None and record.tried is None):
        return _first(subject, work)
    if record.format > DIGEST_FORMAT:
        return Verdict(
            action=Action.NONE,
            unknown=True,
            reason=f"its record has format {record.format}, newer than this ctl understands",
            cause=_target_cause(subject),
        )
    if record.tried is not None:
        return _after_try(subject, work, record)
    if not _equal(record, work):
        return _changed(subject, work, record, revision)
    return (
        _secret_changed(subject, work, record, secrets)
        or _asked_again(subject, record, policy)
        or _drifted(subject, record, policy)
    )


def _first(subject: Subject, work: Work) -> Verdict:
    known = subject.surely_new if subject.seen is None else subject.seen.reached
    if not known:
        active = subject.server is None or subject.server.active
        why = "not reached" if subject.seen is not None else "never looked at"
        return Verdict(
            action=Action.NONE if active else Action.ADD,
            unknown=active,
            reason=f"nothing is known: {why if active else 'the server is inactive'}",
            cause=_target_cause(subject),
        )
    return Verdict(
        action=Action.ADD,
        reason="first time: no record and no marker",
        cause=_target_cause(subject),
    )


def _after_try(subject: Subject, work: Work, record: Applied) -> Verdict | None:
    tried = record.tried
    if tried is None:
        return None
    return Verdict(
        action=Action.ADD if record.applied is None else Action.CHANGE,
        reason=tried_words(tried, same=tried.digest == work.digest),
        cause=_target_cause(subject),
        before=tried.digest,
    )


def _equal(record: Applied, work: Work) -> bool:
    """Compare in the record's own format: raising ours must never run anything again."""
    if record.applied == work.digest:
        return True
    if record.format == DIGEST_FORMAT:
        return False
    digests = {name: one.digest for name, one in work.inputs.items()}
    return record.applied == input_digest(digests, version=record.format)


def _changed(subject: Subject, work: Work, record: Applied, revision: Revision | None) -> Verdict:
    difference = compare(record.manifest, work)
    paths = subject.target is not None and bool(subject.target.paths)
    return Verdict(
        action=Action.CHANGE,
        reason=change_words(difference, record, revision, paths=paths),
        cause=_input_cause(subject, work, difference.names, revision),
        inputs=difference.names,
        before=record.applied,
    )


def _secret_changed(
    subject: Subject, work: Work, record: Applied, secrets: Mapping[str, Compared]
) -> Verdict | None:
    names = sorted(
        name
        for name, one in secrets.items()
        if one.comparison in {Comparison.CHANGED, Comparison.NEW}
    )
    if not names:
        return None
    inputs = tuple(
        f"secrets.{env}" for env, secret in sorted(work.secrets.items()) if secret in names
    )
    fresh = all(secrets[name].comparison is Comparison.NEW for name in names)
    how = "was never compared here" if fresh else "has another value"
    return Verdict(
        action=Action.CHANGE,
        reason=f"secret {', '.join(names)} {how}",
        cause=_input_cause(subject, work, inputs, None),
        inputs=inputs,
        before=record.applied,
    )


def _asked_again(subject: Subject, record: Applied, policy: Policy) -> Verdict | None:
    if subject.key not in policy.retry:
        return None
    return Verdict(
        action=Action.RUN,
        trigger=Trigger.RETRY,
        reason="asked to run again",
        cause=_target_cause(subject),
        before=record.applied,
    )


def _drifted(subject: Subject, record: Applied, policy: Policy) -> Verdict | None:
    target = subject.target
    if target is None or subject.seen is None or target.on_drift is OnDrift.IGNORE:
        return None
    check = subject.seen.checks.get(target.name)
    if check is None or check.exit_code == 0 or check.digest != record.applied:
        return None
    if record.at is not None and check.at < record.at:
        return None
    first = next((line for line in check.output.splitlines() if line.strip()), "")
    said = f"check exited {check.exit_code}" + (f": {first[:200]}" if first else "")
    heal = target.on_drift is OnDrift.HEAL or policy.heal
    return Verdict(
        action=Action.REPAIR if heal else Action.NONE,
        trigger=Trigger.DRIFT,
        reason="drift" if heal else "drift, only reported (on_drift: report)",
        cause=_target_cause(subject, "on_drift"),
        before=record.applied,
        drift=said,
    )


def _target_cause(subject: Subject, key: str = "") -> Cause:
    target = subject.target
    place = None if target is None else (target.places.get(key) or target.places.get(""))
    return Cause() if place is None else Cause(file=place.file, line=place.line)


def _input_cause(
    subject: Subject, work: Work, names: tuple[str, ...], revision: Revision | None
) -> Cause:
    """Point at the commit of the source, else at the likeliest line that the inputs come from."""
    if "source" in names and revision is not None:
        key = _target_cause(subject, "repo")
        return Cause(file=key.file, line=key.line, commit=revision.sha, author=revision.author)
    found = origins(work, names, subject.server)
    return (
        Cause(file=found[0].file, line=found[0].first) if found else _target_cause(subject, "task")
    )
