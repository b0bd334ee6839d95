"""The gates a pair passes before it runs, in the order in which they are asked.

`planner` takes the first that says no; `ctl why` shows them all; `apply` asks them again. A gate never says why a
pair should run, only why it must wait.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from controller.errors import Unreachable
from controller.model.declaration import OnCommit, OnRemove
from controller.model.job import State, Trigger
from controller.model.plan import OVERRIDABLE, Action, Blocker, Gate
from controller.planning.circumstances import Circumstances
from controller.planning.inputs import Policy
from controller.planning.subject import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """How one gate answered; `passed` None: it was not asked, because one before it said no.

    `overridden`: it says no, and a person passes over it with a reason, which is in `message`.
    """

    gate: Gate
    passed: bool | None
    message: str
    clear: str | None = None
    overridden: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What every gate is asked about: a pair, what would happen to it and why, and what the person wants."""

    subject: Subject
    trigger: Trigger
    policy: Policy
    action: Action = Action.CHANGE
    circumstances: Circumstances = field(default_factory=Circumstances)

    @property
    def removes(self) -> bool:
        """Whether the pair is let go."""
        return self.action in {Action.REMOVE, Action.FORGET}


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
    if subject.target is None or question.trigger not in {Trigger.INPUTS, Trigger.REMOVAL}:
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
        message=f"nobody knows how run {tried.run} ended there",
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


def _suspended(question: Question) -> Blocker | None:
    return _of_target(question, Gate.SUSPENDED)


def _window(question: Question) -> Blocker | None:
    return _of_target(question, Gate.WINDOW)


def _approval(question: Question) -> Blocker | None:
    return _of_target(question, Gate.APPROVAL)


def _dependency(question: Question) -> Blocker | None:
    return None if question.removes else _of_target(question, Gate.DEPENDENCY)


def _quarantine(question: Question) -> Blocker | None:
    return None if question.removes else _of_target(question, Gate.QUARANTINE)


def _of_target(question: Question, gate: Gate) -> Blocker | None:
    """Look up an answer that holds for all pairs of a target; nothing holds back what does nothing."""
    if question.action is Action.NONE:
        return None
    return question.circumstances.targets.get((gate, question.subject.key[0]))


def _budget(question: Question) -> Blocker | None:
    if question.action in {Action.NONE, Action.FORGET}:
        return None
    target, server = question.subject.key
    halted = question.circumstances.halts.get(target)
    # What failed itself is not held here but by the gate for it, which a retry opens.
    if halted is not None and not question.removes and server not in halted.failed:
        return halted.blocker
    for outage in question.circumstances.groups.get(server, ()):
        blocker = outage.holds(server)
        if blocker is not None:
            return blocker
    return None


def _protect(question: Question) -> Blocker | None:
    record = question.subject.record
    if record is None or not question.removes:
        return None
    if not record.protect and record.on_remove is not OnRemove.BLOCK:
        return None
    key = "protect: true" if record.protect else "on_remove: block"
    return Blocker(
        gate=Gate.PROTECT,
        message=f"it was applied with {key}, and is kept although it is no longer declared",
        clear="declare it again, or: ctl apply --override protect --reason TEXT",
    )


Asked = Callable[[Question], Blocker | None]

ORDER: Final[tuple[tuple[Gate, str, Asked], ...]] = (
    (Gate.INACTIVE, "server and repo are active", _inactive),
    (Gate.SOURCE, "the repo's newest commit is accepted", _source),
    (Gate.SUSPENDED, "nobody switched the target off", _suspended),
    (Gate.WINDOW, "no window keeps it waiting", _window),
    (Gate.LOCK, "nobody else holds the target there", _lock),
    (Gate.ON_COMMIT, "a change of inputs may run", _on_commit),
    (Gate.APPROVAL, "nobody has to approve it any more", _approval),
    (Gate.DEPENDENCY, "what comes before is in sync, or will be", _dependency),
    (Gate.BUDGET, "no limit of failures or of unavailable servers is reached", _budget),
    (Gate.PROTECT, "nothing protected is removed", _protect),
    (Gate.QUARANTINE, "the commit was not rolled back", _quarantine),
    (Gate.OFFLINE, "the server answers", _offline),
    (Gate.LAST_FAILED, "these inputs did not fail last time", _last_failed),
    (Gate.LOST, "every earlier attempt is accounted for", _lost),
)
"""What a person decided comes before what happened."""


def first_blocker(question: Question) -> Blocker | None:
    """Find the first gate that says no.

    That a server does not answer is told only where nothing else holds: such a pair may get a job all the same.
    """
    offline: Blocker | None = None
    overrides = question.policy.overrides
    for gate, _, ask in ORDER:
        if overrides and _reason(gate, question.policy) is not None:
            continue
        blocker = ask(question)
        if blocker is not None and gate is not Gate.OFFLINE:
            return blocker
        offline = offline or blocker
    return offline


def gates(question: Question) -> tuple[GateResult, ...]:
    """Ask all gates in order; after the first no, the others are listed but not asked.

    Those after `offline` are asked even where it says no, since they may hold what does not wait for the server.
    """
    results: list[GateResult] = []
    stopped = False
    for gate, fine, ask in ORDER:
        if stopped:
            results.append(GateResult(gate=gate, passed=None, message=fine))
            continue
        result = _result(gate, fine, ask(question), _reason(gate, question.policy))
        results.append(result)
        stopped = result.passed is False and gate is not Gate.OFFLINE
    return tuple(results)


def _result(gate: Gate, fine: str, blocker: Blocker | None, reason: str | None) -> GateResult:
    if blocker is None:
        return GateResult(gate=gate, passed=True, message=fine)
    if reason is not None:
        message = f"overridden ({reason}): {blocker.message}"
        return GateResult(gate=gate, passed=True, message=message, overridden=True)
    return GateResult(gate=gate, passed=False, message=blocker.message, clear=blocker.clear)


def _reason(gate: Gate, policy: Policy) -> str | None:
    """Give the reason for which a person passes over a gate; None where it holds."""
    return policy.overrides.get(gate) if gate in OVERRIDABLE else None
