"""Simulated worlds by the hundred: whatever is cut, killed, rebooted or set back, the promises hold and everything is in force at last."""

import random
from pathlib import Path

import pytest

from tests.simulation.driver import drive

STEADY = 26
"""The seed of the worlds that everybody sees."""


@pytest.mark.timeout(300)
def test_worlds_keep_their_promises(tmp_path: Path) -> None:
    tally = drive(tmp_path, STEADY, steps=1200)
    print(f"\nseed {STEADY}: {tally}")  # noqa: T201 - figures
    assert tally.starts > 100
    assert tally.accepted > 20
    assert tally.lives > 50
    assert tally.breaks > 20
    assert tally.doubled > 5
    assert set(tally.happened) >= {"crash", "crash-at", "reboot", "set-clock", "sigstop", "away"}


@pytest.mark.sweep
@pytest.mark.timeout(600)
def test_worlds_that_nobody_has_seen_keep_their_promises(tmp_path: Path) -> None:
    seed = random.SystemRandom().getrandbits(31)
    print(f"\nseed {seed}")  # noqa: T201 - to repeat it
    print(drive(tmp_path, seed, seconds=120.0))  # noqa: T201 - figures
