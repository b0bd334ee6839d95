"""A process that stays collects its cycles, and hardly ever looks through what is declared."""

import gc
import weakref
from collections.abc import Iterator
from datetime import timedelta

import pytest

from controller.service.collecting import (
    MANY,
    OLD_SECONDS,
    PATIENCE,
    WHOLE_SECONDS,
    Collecting,
    by_hand,
)
from tests.fakes.jumping_clock import JumpingClock


class Knot:
    """Holds itself, so that only the collector lets it go."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    with by_hand():
        yield
    gc.unfreeze()


def test_the_collector_looks_by_itself_again_afterwards() -> None:
    gc.enable()
    with by_hand():
        assert not gc.isenabled()
    assert gc.isenabled()
    gc.disable()


def test_a_cycle_is_let_go_at_the_next_look() -> None:
    collecting = Collecting(JumpingClock(), lambda: None)
    knot = weakref.ref(Knot())
    assert knot() is not None
    collecting.look()
    assert knot() is None


def test_what_lives_when_other_declarations_come_into_force_is_not_looked_through_again() -> None:
    generations: list[object] = [object()]
    collecting = Collecting(JumpingClock(), lambda: generations[-1])
    collecting.look()
    frozen = gc.get_freeze_count()
    assert frozen > 0
    kept = [[] for _ in range(1000)]  # type: list[list[object]]
    collecting.look()
    assert gc.get_freeze_count() <= frozen
    generations.append(object())
    collecting.look()
    assert gc.get_freeze_count() >= frozen + len(kept)


def test_a_cycle_that_lived_through_a_look_is_let_go_within_a_minute() -> None:
    clock, generation = JumpingClock(), object()
    collecting = Collecting(clock, lambda: generation)
    collecting.look()
    made = Knot()
    knot = weakref.ref(made)
    collecting.look()
    del made
    collecting.look()
    assert knot() is not None
    clock.set(clock.now() + timedelta(seconds=OLD_SECONDS))
    collecting.look()
    assert knot() is None


def test_much_that_has_become_old_is_put_aside() -> None:
    clock, generation = JumpingClock(), object()
    collecting = Collecting(clock, lambda: generation)
    collecting.look()
    frozen = gc.get_freeze_count()
    large = [[] for _ in range(2 * MANY)]  # type: list[list[object]]
    clock.set(clock.now() + timedelta(seconds=OLD_SECONDS))
    for _ in range(PATIENCE + 1):
        collecting.look()
    assert gc.get_freeze_count() >= frozen + len(large)


def test_once_a_day_everything_is_looked_through() -> None:
    clock, generation = JumpingClock(), object()
    collecting = Collecting(clock, lambda: generation)
    made = Knot()
    knot = weakref.ref(made)
    collecting.look()  # it lives on, and is put aside
    del made
    collecting.look()
    assert knot() is not None
    clock.set(clock.now() + timedelta(seconds=WHOLE_SECONDS))
    collecting.look()
    assert knot() is None


def test_nothing_is_looked_through_while_much_is_being_made_but_not_for_ever() -> None:
    collecting = Collecting(JumpingClock(), lambda: None)
    knot = weakref.ref(Knot())
    large = [[] for _ in range(2 * MANY)]  # type: list[list[object]]
    for _ in range(PATIENCE):
        collecting.look()
    assert knot() is not None
    collecting.look()
    assert knot() is None
    assert len(large) == 2 * MANY
