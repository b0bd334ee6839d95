"""Gates that are rules: what people declared or decided about when something may run.

Called by `gates`.
"""

from controller.model.declaration import OnCommit, OnRemove
from controller.model.job import Trigger
from controller.model.plan import Action, Blocker, Gate
from controller.planning.question import Question


def suspended(question: Question) -> Blocker | None:
    """Hold a target that a person switched off."""
    return _of_target(question, Gate.SUSPENDED)


def window(question: Question) -> Blocker | None:
    """Hold outside of the windows."""
    return _of_target(question, Gate.WINDOW)


def on_commit(question: Question) -> Blocker | None:
    """Hold a change of inputs that does nothing by itself."""
    subject = question.subject
    if subject.target is None or question.trigger not in {Trigger.INPUTS, Trigger.REMOVAL}:
        return None
    name = subject.target.name
    match subject.target.on_commit:
        case OnCommit.APPLY:
            return None
        case OnCommit.PLAN:
            return _of_target(question, Gate.ON_COMMIT)
        case OnCommit.IGNORE:
            if question.policy.by_hand and subject.named:
                return None
            return Blocker(
                gate=Gate.ON_COMMIT,
                message="on_commit: ignore runs only when the target is named",
                clear=f"ctl apply --target {name}",
            )


def approval(question: Question) -> Blocker | None:
    """Hold until enough people said yes."""
    return _of_target(question, Gate.APPROVAL)


def dependency(question: Question) -> Blocker | None:
    """Hold until what comes before is in sync, or gets there by this plan."""
    return None if question.removes else _of_target(question, Gate.DEPENDENCY)


def budget(question: Question) -> Blocker | None:
    """Hold what would go beyond `max_failures`, or the `max_unavailable` of a group."""
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


def protect(question: Question) -> Blocker | None:
    """Hold the removal of what was applied as protected."""
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


def quarantine(question: Question) -> Blocker | None:
    """Hold a commit that was rolled back."""
    return None if question.removes else _of_target(question, Gate.QUARANTINE)


def _of_target(question: Question, gate: Gate) -> Blocker | None:
    """Look up an answer that holds for all pairs of a target; nothing holds back what does nothing."""
    if question.action is Action.NONE:
        return None
    return question.circumstances.targets.get((gate, question.subject.key[0]))
