"""kill -9 of a real `ctl serve` again and again while commits arrive and people post: nothing accepted is lost, nothing begins twice."""

import random
import time
from collections import Counter

import pytest

from tests.e2e.fleet import Fleet
from tests.e2e.serving import Served, begin, serving, token_of
from tests.faults.books import Books, judge, read_books
from tests.faults.left import Left, nothing_left
from tests.faults.load import Load, Poster, answers, prepare, waited

TRUE_SECONDS = 60.0
"""So long after the last start everything may take to be true."""
READY_SECONDS = 30.0
FAIR = frozenset({"202", "409", "429", "503"})
"""What somebody who asks may hear: it is recorded, it may be, not so often, not yet."""
LONGEST_LIFE = 1.5
"""Seconds a controller lives at most, from its start or from when it listens, before it is killed."""
YOUNG = 0.2
"""How many of them die while they start."""
SWEEP_SECONDS = 600.0
"""For all of them: a hundred take four minutes where nothing else runs."""


def kill_again_and_again(load: Load, kills: int, *, seconds: float) -> list[Served]:
    """Start a controller and kill it, so often or for so long."""
    rng = random.Random(load.seed)  # noqa: S311 - a test is to be repeated
    ended = time.monotonic() + seconds
    first = begin(load.fleet)
    waited(lambda: load.in_force(first), seconds=READY_SECONDS)
    lives: list[Served] = []
    with Poster(load, pause=0.05) as poster:
        served = first
        while True:
            following = prepare(load.fleet)
            poster.to(served)
            live(served, rng)
            served.kill()
            load.watched.kills += 1
            lives.append(served)
            if load.watched.kills == kills or time.monotonic() > ended:
                following.served.kill()
                return lives
            served = following.go()


def live(served: Served, rng: random.Random) -> None:
    """Let a controller live for a while: some die while they start, most while they work."""
    if rng.random() >= YOUNG:
        waited(
            lambda: "serving http" in served.text or served.process.poll() is not None,
            seconds=READY_SECONDS,
            pause=0.01,
        )
    time.sleep(rng.uniform(0.0, LONGEST_LIFE))


def judge_all(load: Load, lives: list[Served], before: Left) -> Books:
    """Start once more, have everything become true, stop in peace, and hold it to all promises."""
    with serving(load.fleet, token=token_of(load.fleet)) as served:
        lives.append(served)
        assert served.url
        waited(lambda: answers(served), seconds=READY_SECONDS)
        served.look()
        try:
            took = waited(lambda: load.in_force(served), seconds=TRUE_SECONDS)
        except TimeoutError:
            pytest.fail(f"not true after {TRUE_SECONDS} s: {load.under_way(served)}")
        assert served.stop() == 0
    load.watched.said = [life.text for life in lives]
    load.look()
    books = read_books(load.fleet.state)
    states = Counter(str(job.state) for job in books.jobs.values())
    print(  # noqa: T201 - figures of a sweep
        f"\nseed {load.seed}: {load.watched.kills} kills, {len(load.watched.starts)} starts, "
        f"{len(load.watched.accepted)} accepted, {load.commits} commits, asked {dict(load.words)}, "
        f"jobs {dict(states)}, true after {took:.1f} s"
    )
    judge(books, load.watched)
    assert set(states) <= {"succeeded", "skipped"}
    odd = [word for word in load.words if word.isdigit() and word not in FAIR]
    assert not odd, load.words
    assert not any("Traceback" in life.text for life in lives), lives[-1].text
    began = {one.split(".")[0] for one in load.watched.starts}
    assert began == {job.id for job in books.jobs.values() if job.state == "succeeded"}
    load.fleet.ctl("logs", "verify").ended(0)
    nothing_left(before, Left.of(load.fleet.folder))
    return books


@pytest.mark.real
@pytest.mark.timeout(180)
@pytest.mark.sweep
def test_a_controller_killed_five_times_loses_and_repeats_nothing(fleet: Fleet) -> None:
    load = Load(fleet=fleet, seed=5)
    load.declare()
    before = Left.of(fleet.folder)
    lives = kill_again_and_again(load, 5, seconds=60.0)
    judge_all(load, lives, before)


@pytest.mark.sweep
@pytest.mark.timeout(900)
def test_a_controller_killed_a_hundred_times_loses_and_repeats_nothing(fleet: Fleet) -> None:
    load = Load(fleet=fleet, seed=random.SystemRandom().getrandbits(32), targets=4, concurrency=2)
    print(f"seed {load.seed}")  # noqa: T201 - to repeat it
    load.declare()
    before = Left.of(fleet.folder)
    lives = kill_again_and_again(load, 100, seconds=SWEEP_SECONDS)
    assert load.watched.kills == 100, "too slow a machine for a sweep"
    judge_all(load, lives, before)
