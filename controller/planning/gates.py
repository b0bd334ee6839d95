"""The gates a pair passes before it runs, in the order in which they are asked.

`planner` takes the first that says no; `ctl why` shows them all; `apply` asks them again. A gate never says why a
pair should run, only why it must wait.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from controller.errors import Unreachable
from controller.model.declaration import OnCommit
from controller.model.job import State, Trigger
from controller.model.plan import Blocker, Gate
from controller.planning.inputs import Policy
from controller.planning.subject import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """How one gate answered; `passed` None: it was not asked, because one before it said no."""

    gate: Gate
    passed: bool | None
    message: str
    clear: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What every gate is asked about: a pair, why it would run, and what the person wants."""

    subject: Subject
    trigger: Trigger
    policy: Policy


def _inactive(question: Question) -> Blocker | None:
    subject = question.subject
    for kind, thing in (("server", subject.server), ("repo", subject.repo)):
        if thing is not None and not thing.active:
            return Blocker(
                gate=Gate.INACTIVE,
                message=f"{kind} {thing.name} is inactive ({thing.place.file}:{thing.place.line})",
                clear=f"set active: true on {kind} {thing.name}",
            )
    return None


def _source(question: Question) -> Blocker | None:
    return question.subject.refused


def _on_commit(question: Question) -> Blocker | None:
    subject = question.subject
    if subject.target is None or question.trigger is not Trigger.INPUTS:
        return None
    name = subject.target.name
    match subject.target.on_commit:
        case OnCommit.APPLY:
            return None
        case OnCommit.PLAN:
            if question.policy.by_hand:
                return None
            return Blocker(
                gate=Gate.ON_COMMIT, message="on_commit: plan waits for a yes", clear="ctl apply"
            )
        case OnCommit.IGNORE:
            if question.policy.by_hand and subject.named:
                return None
            return Blocker(
                gate=Gate.ON_COMMIT,
                message="on_commit: ignore runs only when the target is named",
                clear=f"ctl apply --target {name}",
            )


def _last_failed(question: Question) -> Blocker | None:
    subject = question.subject
    tried = None if subject.record is None else subject.record.tried
    if tried is None or subject.desired != tried.digest or subject.key in question.policy.retry:
        return None
    if tried.state not in {State.FAILED, State.TIMED_OUT}:
        return None
    how = "failed" if tried.state is State.FAILED else "timed out"
    return Blocker(
        gate=Gate.LAST_FAILED,
        message=f"run {tried.run} of exactly these inputs {how} at {tried.at:%Y-%m-%d %H:%M} UTC",
        clear="change an input, or: ctl jobs retry JOB (ctl jobs list names it)",
    )


def _lost(question: Question) -> Blocker | None:
    subject = question.subject
    tried = None if subject.record is None else subject.record.tried
    if tried is None or tried.state is not State.LOST:
        return None
    return Blocker(
        gate=Gate.LOST,
        message=f"nobody knows how run {tried.run} ended on {subject.key[1]}",
        clear="look at the server, then: ctl jobs resolve JOB --as succeeded|failed --reason TEXT",
    )


def _lock(question: Question) -> Blocker | None:
    holder = question.subject.holder
    if holder is None:
        return None
    return Blocker(
        gate=Gate.LOCK,
        message=f"locked by {holder.who} since {holder.since:%H:%M} UTC (run {holder.run})",
        clear="wait until that run has ended",
    )


def _offline(question: Question) -> Blocker | None:
    seen = question.subject.seen
    if seen is None or seen.reached:
        return None
    cause = "no answer" if seen.cause is None else str(seen.cause)
    trust = seen.cause is Unreachable.HOST_KEY
    return Blocker(
        gate=Gate.OFFLINE,
        message=f"{seen.message} ({cause})" if seen.message else cause,
        clear=f"ctl trust {seen.server}" if trust else f"ctl check server {seen.server}",
    )


Asked = Callable[[Question], Blocker | None]

ORDER: Final[tuple[tuple[Gate, str, Asked], ...]] = (
    (Gate.INACTIVE, "server and repo are active", _inactive),
    (Gate.SOURCE, "the repo's newest commit is accepted", _source),
    (Gate.ON_COMMIT, "a change of inputs may run", _on_commit),
    (Gate.LAST_FAILED, "these inputs did not fail last time", _last_failed),
    (Gate.LOST, "every earlier attempt is accounted for", _lost),
    (Gate.LOCK, "nobody else holds the target there", _lock),
    (Gate.OFFLINE, "the server answers", _offline),
)
"""What a person decided comes before what happened, and that before what may be over in a minute."""


def first_blocker(question: Question) -> Blocker | None:
    """Find the first gate that says no."""
    for _, _, ask in ORDER:
        blocker = ask(question)
        if blocker is not None:
            return blocker
    return None


def gates(question: Question) -> tuple[GateResult, ...]:
    """Ask all gates in order; after the first no, the others are listed but not asked."""
    results: list[GateResult] = []
    stopped = False
    for gate, fine, ask in ORDER:
        blocker = None if stopped else ask(question)
        if blocker is not None:
            results.append(
                GateResult(gate=gate, passed=False, message=blocker.message, clear=blocker.clear)
            )
            stopped = True
        else:
            results.append(GateResult(gate=gate, passed=None if stopped else True, message=fine))
    return tuple(results)
