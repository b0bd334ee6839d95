"""Millions of things happen to the pure cores, and every promise holds; a core that is broken on purpose is found out."""

import random

import pytest

from tests.simulation.cores.game import drive
from tests.simulation.cores.kinds import KINDS

STEADY = 1
"""The seed of the games that everybody sees."""


@pytest.mark.timeout(120)
def test_cores_keep_their_promises_through_tens_of_thousands_of_steps() -> None:
    score = drive(KINDS, STEADY, steps=30_000)
    print(f"\nseed {STEADY}: {score}")  # noqa: T201 - figures
    assert score.steps >= 30_000


@pytest.mark.sweep
@pytest.mark.timeout(900)
def test_cores_keep_their_promises_through_millions_of_steps_that_nobody_has_seen() -> None:
    seed = random.SystemRandom().getrandbits(31)
    print(f"\nseed {seed}")  # noqa: T201 - to repeat it
    score = drive(KINDS, seed, steps=2_000_000)
    print(score)  # noqa: T201 - figures
    assert score.steps >= 2_000_000
