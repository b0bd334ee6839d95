"""The gates a pair passes before it runs, in the order in which they are asked.

`gating` takes the first that says no; `ctl why` shows them all; `apply` asks them again. A gate never says why a
pair should run, only why it must wait. Calls `rules` and `facts`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from controller.model.plan import OVERRIDABLE, Blocker, Gate
from controller.planning import facts, rules
from controller.planning.inputs import Policy
from controller.planning.question import Question


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """How one gate answered; `overridden`: it says no, and a person passes over it with a reason, which is in `message`."""

    gate: Gate
    passed: bool
    message: str
    clear: str | None = None
    overridden: bool = False


Asked = Callable[[Question], Blocker | None]

ORDER: Final[tuple[tuple[Gate, str, Asked], ...]] = (
    (Gate.INACTIVE, "server and repo are active", facts.inactive),
    (Gate.SOURCE, "the repo's newest commit is accepted", facts.source),
    (Gate.SUSPENDED, "nobody switched the target off", rules.suspended),
    (Gate.WINDOW, "no window keeps it waiting", rules.window),
    (Gate.LOCK, "nobody else holds the target there", facts.lock),
    (Gate.ON_COMMIT, "a change of inputs may run", rules.on_commit),
    (Gate.APPROVAL, "nobody has to approve it any more", rules.approval),
    (Gate.DEPENDENCY, "what comes before is in sync, or will be", rules.dependency),
    (Gate.BUDGET, "no limit of failures or of unavailable servers is reached", rules.budget),
    (Gate.PROTECT, "nothing protected is removed", rules.protect),
    (Gate.QUARANTINE, "the commit was not rolled back", rules.quarantine),
    (Gate.OFFLINE, "the server answers", facts.offline),
    (Gate.LAST_FAILED, "these inputs did not fail last time", facts.last_failed),
    (Gate.LOST, "every earlier attempt is accounted for", facts.lost),
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
    """Ask all gates, in order."""
    return tuple(
        _result(gate, fine, ask(question), _reason(gate, question.policy))
        for gate, fine, ask in ORDER
    )


def first_no(results: Iterable[GateResult]) -> GateResult | None:
    """Find the gate that holds a pair back, as `first_blocker` does."""
    noes = [result for result in results if not result.passed]
    return min(noes, key=lambda result: result.gate is Gate.OFFLINE, default=None)


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
