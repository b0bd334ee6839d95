from collections.abc import Iterator

import pytest
from hypothesis import given, strategies as st

from controller.errors import IllegalTransitionError
from controller.jobs.machine import TRANSITIONS, Level, Signal, advance, mermaid
from controller.model.job import State


def reachable(level: Level, start: State = State.PENDING) -> set[State]:
    seen, todo = set[State](), [start]
    while todo:
        state = todo.pop()
        if state not in seen:
            seen.add(state)
            todo.extend(TRANSITIONS[level].get(state, {}).values())
    return seen


def arrows() -> Iterator[tuple[Level, State, Signal, State]]:
    for level, table in TRANSITIONS.items():
        for state, row in table.items():
            for signal, after in row.items():
                yield level, state, signal, after


def test_no_arrow_leaves_an_ended_state_but_lost() -> None:
    left = {state for _, state, _, _ in arrows() if state.ended}
    assert left == {State.LOST}


@pytest.mark.parametrize("level", Level)
def test_every_state_that_is_reached_can_end(level: Level) -> None:
    for state in reachable(level):
        assert any(after.ended for after in reachable(level, state)), state


@pytest.mark.parametrize("level", Level)
def test_a_job_can_reach_every_ending(level: Level) -> None:
    endings = {State.SUCCEEDED, State.FAILED, State.TIMED_OUT, State.CANCELLED, State.LOST}
    assert endings | {State.INTERRUPTED} <= reachable(level)


@given(st.sampled_from(Level), st.lists(st.sampled_from(Signal), max_size=12))
def test_any_signals_either_follow_arrows_or_raise(level: Level, signals: list[Signal]) -> None:
    state, ends = State.PENDING, 0
    for signal in signals:
        try:
            after = advance(level, state, signal)
        except IllegalTransitionError:
            continue
        ends += after.ended and after is not State.LOST
        state = after
    assert ends <= 1


def test_nothing_that_succeeded_is_dispatched_again() -> None:
    for level in Level:
        with pytest.raises(IllegalTransitionError, match="cannot dispatch"):
            advance(level, State.SUCCEEDED, Signal.DISPATCH)


@pytest.mark.parametrize("level", Level)
def test_the_picture_shows_every_arrow(level: Level) -> None:
    picture = mermaid(level)
    for each, state, signal, after in arrows():
        assert each is not level or f"    {state} --> {after}: {signal}\n" in picture
    assert f"    {State.SUCCEEDED} --> [*]" in picture
    assert f"    {State.LOST} --> [*]" not in picture
