"""What a commit status says of a target, worked out from its jobs.

Called by `reconcile`; calls nobody. Pure. Green is said only when everything has ended well and health is known; what went wrong is said at
once, whatever else still runs.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from controller.model.job import State

LONGEST: Final = 140
"""Characters of a description, as GitHub allows; the other forges allow more."""
LONGEST_CONTEXT: Final = 200
WENT_WRONG: Final = frozenset({State.FAILED, State.TIMED_OUT, State.INTERRUPTED})
NOT_DONE: Final = frozenset({State.LOST, State.CANCELLED, State.SKIPPED})


class Light(StrEnum):
    """What a forge shows beside a commit."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"  # it was done, and went wrong
    ERROR = "error"  # it was not done, or nobody knows


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One line beside a commit; of equal `context`, a later one takes the place of an earlier one."""

    state: Light
    description: str
    context: str
    url: str | None = None


def status_of(
    target: str,
    states: Iterable[State],
    *,
    healthy: bool | None,
    url: str | None = None,
    prefix: str = "ctl",
) -> Status:
    """Say how a commit does on the servers of a target.

    Args:
        target: its name; with `prefix` the context, so that several controllers can tell theirs apart.
        states: of the newest job on each server, none where nothing had to run.
        healthy: what is known of the health of the target at this commit, None while it is not known.
        url: where people see more.
        prefix: what stands before the name.
    """
    counted = Counter(states)
    light = _light(counted, healthy=healthy)
    return Status(
        state=light,
        description=_cut(_description(counted, light, healthy=healthy), LONGEST),
        context=_cut(f"{prefix}/{target}", LONGEST_CONTEXT),
        url=url,
    )


def _light(counted: Counter[State], *, healthy: bool | None) -> Light:
    if healthy is False or any(state in WENT_WRONG for state in counted):
        return Light.FAILURE
    if any(state in NOT_DONE for state in counted):
        return Light.ERROR
    if healthy is None or any(not state.ended for state in counted):
        return Light.PENDING
    return Light.SUCCESS


def _description(counted: Counter[State], light: Light, *, healthy: bool | None) -> str:
    """Count the servers in words, what went wrong first."""
    total = sum(counted.values())
    if not total:
        return "in sync" if light is Light.SUCCESS else "nothing has run yet"
    ordered = sorted(counted, key=lambda state: (_weight(state), state.value))
    parts = [f"{counted[state]} {state.value.replace('_', ' ')}" for state in ordered]
    if healthy is False:
        parts.insert(0, "unhealthy")
    elif healthy is None and set(counted) == {State.SUCCEEDED}:
        parts.append("health not known yet")
    return f"{total} {'server' if total == 1 else 'servers'}: {', '.join(parts)}"


def _weight(state: State) -> int:
    if state in WENT_WRONG:
        return 0
    if state in NOT_DONE:
        return 1
    return 3 if state is State.SUCCEEDED else 2


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
