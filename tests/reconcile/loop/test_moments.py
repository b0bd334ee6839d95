"""Moments of jobs and steps reach those who asked for them, and never hold up an engine."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import cast

import pytest

from controller.errors import StateError
from controller.jobs.moments import Moment, Told
from controller.model.ids import Digest, JobId, RunId
from controller.model.job import Event, Job, State
from controller.model.notice import Notice, Occasion
from controller.reconcile.loop import moments
from controller.reconcile.loop.moments import MomentNotices, notice_of
from controller.reconcile.loop.notices import Noticeboard
from tests.fakes.clocks import START


class Board:
    """Wants some occasions, and takes notices unless it is told not to."""

    def __init__(self, *wanted: Occasion) -> None:
        self.wanted = wanted
        self.posted: list[Sequence[Notice]] = []
        self.broken = False

    def wants(self, occasion: Occasion) -> bool:
        return occasion in self.wanted

    async def post_all(self, notices: Iterable[Notice]) -> None:
        if self.broken:
            raise StateError("the disk is full")
        self.posted.append(list(notices))


def told(number: int, moment: Moment = Moment.AFTER_JOB, step: str | None = None) -> Told:
    job = Job(
        id=JobId(f"job{number}"),
        run=RunId("run1"),
        target="shop",
        task="deploy",
        server="web-1",
        digest=Digest("ab" * 32),
        created_at=START,
    )
    event = Event(job=job.id, seq=1, at=START, state=State.FAILED, step=step)
    return Told(moment=moment, job=job, event=event, step=step)


def listening(board: Board) -> MomentNotices:
    numbers = iter(range(100_000))
    return MomentNotices(cast("Noticeboard", board), lambda: f"n{next(numbers)}")


async def test_only_what_somebody_asked_for_is_told() -> None:
    board = Board(Occasion.AFTER_JOB)
    hear = listening(board)
    for moment in Moment:
        hear(told(1, moment))
    await hear.flush()
    assert [[one.occasion for one in some] for some in board.posted] == [[Occasion.AFTER_JOB]]
    await hear.flush()
    assert len(board.posted) == 1


def test_a_moment_says_what_happened_to_what() -> None:
    after = notice_of(told(1, Moment.AFTER_STEP, "migrate"), "n1")
    assert after.title == "deploy.migrate on web-1 ended: failed"
    assert (after.subject, after.group, after.target) == ("job/job1", "run/run1", "shop")
    assert after.problem is None
    assert notice_of(told(1, Moment.BEFORE_JOB), "n1").title == "deploy on web-1 is about to run"


async def test_many_moments_are_written_together() -> None:
    board = Board(Occasion.AFTER_JOB)
    hear = listening(board)
    for number in range(moments.AT_ONCE + 1):
        hear(told(number))
    await hear.flush()
    assert [len(some) for some in board.posted] == [moments.AT_ONCE, 1]


async def test_what_is_too_much_is_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moments, "MOST", 3)
    board = Board(Occasion.AFTER_JOB)
    hear = listening(board)
    for number in range(5):
        hear(told(number))
    await hear.flush()
    assert hear.dropped == 2
    assert [one.subject for one in board.posted[0]] == ["job/job0", "job/job1", "job/job2"]


async def test_what_cannot_be_written_waits_for_the_next_time() -> None:
    board = Board(Occasion.AFTER_JOB)
    hear = listening(board)
    hear(told(1))
    board.broken = True
    with pytest.raises(StateError):
        await hear.write()
    board.broken = False
    await hear.flush()
    assert [len(some) for some in board.posted] == [1]


async def test_whoever_begins_again_writes_what_was_left() -> None:
    board = Board(Occasion.AFTER_JOB)
    hear = listening(board)
    hear(told(1))
    board.broken = True
    with pytest.raises(StateError):
        await hear.write()
    board.broken = False
    writing = asyncio.create_task(hear.write())
    await asyncio.sleep(0)
    hear(told(2))
    for _ in range(10):
        await asyncio.sleep(0)
    writing.cancel()
    assert [one.subject for some in board.posted for one in some] == ["job/job1", "job/job2"]
