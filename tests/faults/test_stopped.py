"""A serving controller that stands still, is told to end in the middle of its work, or has its clock set."""

import os
import shutil
import signal
import time

import pytest

from tests.e2e.fleet import Fleet
from tests.e2e.serving import serving, token_of
from tests.faults.books import judge, read_books
from tests.faults.left import Left, held, nothing_grew, nothing_left
from tests.faults.load import Load, answers, waited
from tests.faults.test_disk import TRUE_SECONDS, ask

FAKETIME = shutil.which("faketime")
pytestmark = pytest.mark.real


@pytest.mark.sweep
@pytest.mark.timeout(600)
def test_a_controller_that_stood_still_goes_on_as_if_nothing_was(fleet: Fleet) -> None:
    load = Load(fleet=fleet, seed=4, targets=2)
    load.declare()
    before = Left.of(fleet.folder)
    with serving(fleet) as served:
        waited(lambda: load.in_force(served), seconds=TRUE_SECONDS)
        had = held(served.process.pid)
        for _ in range(3):
            ask(served, load, seconds=1.0)
            load.commit()
            served.look()
            time.sleep(0.3)
            os.kill(served.process.pid, signal.SIGSTOP)
            time.sleep(2.0)
            os.kill(served.process.pid, signal.SIGCONT)
        waited(lambda: load.in_force(served), seconds=TRUE_SECONDS)
        nothing_grew(had, held(served.process.pid))
        assert served.stop() == 0
    load.look()
    load.watched.said = [served.text]
    judge(read_books(fleet.state), load.watched)
    nothing_left(before, Left.of(fleet.folder))


@pytest.mark.sweep
@pytest.mark.timeout(600)
def test_one_that_is_told_to_end_under_load_ends_soon_and_loses_nothing(fleet: Fleet) -> None:
    load = Load(fleet=fleet, seed=5, targets=2, concurrency=4)
    load.declare()
    with serving(fleet) as served:
        waited(lambda: load.in_force(served), seconds=TRUE_SECONDS)
        for _ in range(12):
            ask(served, load, seconds=3.0)
        began = time.monotonic()
        assert served.stop() == 0
        assert time.monotonic() - began < 10
    with serving(fleet, token=token_of(fleet)) as again:
        waited(lambda: answers(again), seconds=TRUE_SECONDS)
        waited(lambda: load.in_force(again), seconds=TRUE_SECONDS)
        assert again.stop() == 0
    load.look()
    assert len(load.starts.read_text().split()) >= len(load.watched.accepted) // 2
    load.watched.said = [served.text, again.text]
    judge(read_books(fleet.state), load.watched)


@pytest.mark.sweep
@pytest.mark.skipif(FAKETIME is None, reason="no faketime here; simulated clocks are set instead")
@pytest.mark.timeout(600)
def test_a_controller_that_wakes_up_a_day_later_goes_on(fleet: Fleet) -> None:
    load = Load(fleet=fleet, seed=6, targets=1)
    load.declare()
    with serving(fleet) as served:
        waited(lambda: load.in_force(served), seconds=TRUE_SECONDS)
        assert served.stop() == 0
    assert FAKETIME is not None
    process = fleet.spawn("apply", "-y", prefix=(FAKETIME, "-f", "+1d"))
    assert process.wait(timeout=TRUE_SECONDS) == 0
    with serving(fleet, token=token_of(fleet)) as again:
        waited(lambda: load.in_force(again), seconds=TRUE_SECONDS)
        load.commit()
        again.look()
        waited(lambda: load.in_force(again), seconds=TRUE_SECONDS)
