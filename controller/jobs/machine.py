"""The arrows: which signal moves an attempt, a step or a job from which state to which.

Pure. Called by `ledger` for every line of a ledger; the picture for the documentation comes from the same table.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from controller.errors import IllegalTransitionError
from controller.model.job import State


class Level(StrEnum):
    """Whose state moves."""

    ATTEMPT = "attempt"
    STEP = "step"
    JOB = "job"


class Signal(StrEnum):
    """What was done or learnt."""

    DISPATCH = "dispatch"  # about to be sent
    HOLD = "hold"  # it cannot begin yet; the reason says why
    START = "start"  # the server says that it runs
    PAUSE = "pause"  # nothing of it runs: it is held
    RESUME = "resume"
    SUCCEED = "succeed"
    FAIL = "fail"
    TIME_OUT = "time_out"
    CANCEL = "cancel"
    INTERRUPT = "interrupt"
    SKIP = "skip"
    LOSE = "lose"  # nobody answers for it any more


Arrows = Mapping[State, Mapping[Signal, State]]

_ENDINGS: Final = {
    Signal.SUCCEED: State.SUCCEEDED,
    Signal.FAIL: State.FAILED,
    Signal.TIME_OUT: State.TIMED_OUT,
    Signal.CANCEL: State.CANCELLED,
    Signal.INTERRUPT: State.INTERRUPTED,
}
_GOING: Final = {**_ENDINGS, Signal.LOSE: State.LOST}
_HELD: Final = {**_GOING, Signal.RESUME: State.RUNNING}
_FOUND: Final = {**_ENDINGS, Signal.START: State.RUNNING}
"""Evidence about something lost: it runs, or it ended."""

_ATTEMPT: Final[Arrows] = {
    State.PENDING: {Signal.DISPATCH: State.DISPATCHED},
    State.DISPATCHED: {
        **_GOING,
        Signal.DISPATCH: State.DISPATCHED,  # proven never started, sent again under the same id
        Signal.HOLD: State.DISPATCHED,  # accepted, and waiting for its turn on the server
        Signal.START: State.RUNNING,
    },
    State.RUNNING: {**_GOING, Signal.PAUSE: State.PAUSED},
    State.PAUSED: _HELD,
    State.LOST: {
        **_FOUND,
        Signal.DISPATCH: State.DISPATCHED,
        Signal.HOLD: State.DISPATCHED,
    },
}
_STEP: Final[Arrows] = {
    State.PENDING: {
        Signal.DISPATCH: State.DISPATCHED,
        Signal.SKIP: State.SKIPPED,
        Signal.FAIL: State.FAILED,  # its `when` or its environment is wrong
        Signal.TIME_OUT: State.TIMED_OUT,  # the task's time was over before its turn
        Signal.PAUSE: State.PAUSED,  # held before its first try
    },
    State.DISPATCHED: {
        **_GOING,
        Signal.DISPATCH: State.DISPATCHED,
        Signal.START: State.RUNNING,
    },
    State.RUNNING: {
        **_GOING,
        Signal.DISPATCH: State.RUNNING,  # the next try
        Signal.START: State.RUNNING,
        Signal.PAUSE: State.PAUSED,
    },
    State.PAUSED: _HELD,
    State.LOST: {**_FOUND, Signal.DISPATCH: State.DISPATCHED},
}
_JOB: Final[Arrows] = {
    State.PENDING: {
        Signal.DISPATCH: State.DISPATCHED,
        Signal.HOLD: State.PENDING,
        Signal.SKIP: State.SKIPPED,
        Signal.CANCEL: State.CANCELLED,
        Signal.FAIL: State.FAILED,
    },
    State.DISPATCHED: {
        **_GOING,
        Signal.DISPATCH: State.DISPATCHED,  # taken up again by another controller process
        Signal.HOLD: State.DISPATCHED,
        Signal.START: State.RUNNING,
        Signal.SKIP: State.SKIPPED,
    },
    State.RUNNING: {**_GOING, Signal.HOLD: State.RUNNING, Signal.PAUSE: State.PAUSED},
    State.PAUSED: {**_HELD, Signal.HOLD: State.PAUSED},
    State.LOST: _FOUND,
}

TRANSITIONS: Final[Mapping[Level, Arrows]] = MappingProxyType(
    {Level.ATTEMPT: _ATTEMPT, Level.STEP: _STEP, Level.JOB: _JOB}
)
"""Every legal arrow. A state without a row is final."""


def advance(level: Level, state: State, signal: Signal) -> State:
    """Follow the arrow.

    Raises:
        IllegalTransitionError: the state has no such arrow.
    """
    try:
        return TRANSITIONS[level][state][signal]
    except KeyError:
        raise IllegalTransitionError(f"cannot {signal} a {level} that is {state}") from None


def mermaid(level: Level) -> str:
    """Draw the arrows of a level as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.PENDING}"]
    for state, arrows in TRANSITIONS[level].items():
        lines += [f"    {state} --> {after}: {signal}" for signal, after in arrows.items()]
    finals = sorted(
        {after for arrows in TRANSITIONS[level].values() for after in arrows.values()}
        - TRANSITIONS[level].keys()
    )
    lines += [f"    {state} --> [*]" for state in finals]
    return "\n".join(lines) + "\n"
