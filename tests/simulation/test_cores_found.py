"""Cores and worlds that are broken on purpose: the games find each of them, so that a game that finds nothing says something."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import islice

import pytest

from controller.errors import IllegalTransitionError
from controller.jobs.board import Board
from controller.jobs.recovery import Move, Recovery, recover
from controller.jobs.schedule import Decision, decide
from controller.jobs.verdict import Verdict, judge
from controller.model.applied import Applied
from controller.model.ids import AttemptId, JobId
from controller.model.job import Attempt, Event, Job
from controller.model.schedule import Schedule
from controller.model.serving import Due
from controller.model.work import Work
from controller.planning import drafts, verdict as verdicts
from controller.planning.schedules import Pending, pending
from controller.transport.port import AttemptStatus, Phase
from controller.wire.conversation import Conversation
from controller.wire.events import Event as WireEvent
from controller.wire.frames import Frame
from controller.wire.outbox import Outbox, Packed
from controller.workqueue.memory import MemoryQueue
from tests.faults.oracle import BrokenPromiseError
from tests.simulation.cores import dues, life
from tests.simulation.cores.dues import DuesGame, Marks
from tests.simulation.cores.ends import Disk
from tests.simulation.cores.fleets import FleetGame
from tests.simulation.cores.fuse import Died
from tests.simulation.cores.game import Maker, drive
from tests.simulation.cores.jobs import JobsGame
from tests.simulation.cores.queues import QueueGame
from tests.simulation.cores.rows import Rows
from tests.simulation.cores.servers import Server
from tests.simulation.cores.town import SERVERS
from tests.simulation.cores.wires import WireGame

STEPS = 80_000
"""So many steps a game has to find what is wrong; most take a hundredth of them."""


WIRE = frozenset({"answers", "order", "I1", "I5", "I9"})
"""What may break first where messages are lost or come twice."""


def found(make: Maker) -> str:
    """Play until a promise breaks, or an arrow that there is not is to be followed; name it."""
    with pytest.raises((BrokenPromiseError, IllegalTransitionError)) as caught:
        drive({"broken": make}, 1, steps=STEPS)
    illegal = isinstance(caught.value, IllegalTransitionError)
    return "arrows" if illegal else str(caught.value).partition(":")[0]


# worlds


@dataclass(slots=True)
class ForgetfulDisk(Disk):
    """A ledger that forgets."""

    def begin(self, attempt: str) -> bool:
        if len(self.ledger) % 5 == 4:
            self.ledger.pop(attempt, None)
        return Disk.begin(self, attempt)


class ForgetfulServer(Server):
    """A server whose claims are not on its disk before something begins."""

    def status(self, attempt: AttemptId) -> AttemptStatus:
        if self.rng.random() < 0.01:
            self.claims.pop(attempt, None)
        return super().status(attempt)


class UnsyncedRows(Rows):
    """Rows of which the last write is lost when its writer dies."""

    def append(self, job: JobId, events: list[Event]) -> None:  # type: ignore[override]
        try:
            super().append(job, events)
        except Died:
            del self.ledgers[job][-1:]
            raise


class CarelessMarks(Marks):
    """Rows that are not unique."""

    def claim(self, row: Due, *, uncounted_after: datetime | None = None) -> bool:
        self.rows.pop(row.due, None)
        return super().claim(row, uncounted_after=uncounted_after)


class ForgetfulQueue(MemoryQueue):
    """A queue that takes no wish for what is worked on."""

    async def add(self, key: str, *, after: float = 0.0, priority: int = 0) -> None:
        entry = self._entries.get(key)
        if entry is None or entry.claim is None:
            await super().add(key, after=after, priority=priority)


class HastyQueue(MemoryQueue):
    """A queue in which the latest due time counts."""

    async def add(self, key: str, *, after: float = 0.0, priority: int = 0) -> None:
        await self.drop(key)
        await super().add(key, after=after, priority=priority)


@pytest.mark.parametrize(
    ("make", "promises"),
    [
        (partial(WireGame, disk_of=ForgetfulDisk), {"I2"}),
        (partial(JobsGame, server_of=ForgetfulServer), {"I2", "truth"}),
        (partial(JobsGame, rows_of=UnsyncedRows), {"I2", "I4", "G2", "truth", "order"}),
        (partial(DuesGame, marks_of=CarelessMarks), {"G14"}),
        (partial(QueueGame, queue_of=ForgetfulQueue), {"laws", "I1"}),
        (partial(QueueGame, queue_of=HastyQueue), {"laws"}),
    ],
)
def test_a_world_that_does_not_keep_its_promises_is_found(make: Maker, promises: set[str]) -> None:
    assert found(make) in promises


# cores


def test_messages_that_are_taken_twice_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Conversation.take

    def take(self: Conversation, frame: Frame) -> list[WireEvent]:
        self.received = min(self.received, frame.seq - 1)
        return whole(self, frame)

    monkeypatch.setattr(Conversation, "take", take)
    assert found(WireGame) in WIRE


def test_messages_that_are_not_sent_again_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def after(self: Outbox, number: int) -> "islice[Packed]":
        return islice(self._kept, max(0, number - self.acknowledged + (number % 50 == 49)), None)

    monkeypatch.setattr(Outbox, "after", after)
    assert found(WireGame) in WIRE


def test_a_missing_claim_that_proves_too_much_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def trusting(attempt: Attempt, status: AttemptStatus, boot_id: str) -> Verdict:
        if status.phase is Phase.INTERRUPTED:
            return Verdict.NEVER_STARTED
        return judge(attempt, status, boot_id)

    monkeypatch.setattr(life, "judge", trusting)
    assert found(JobsGame) in {"arrows", "I9", "truth"}


def test_a_recovery_that_drops_what_began_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def hasty(jobs: list[Job]) -> list[Recovery]:
        return [each for each in recover(jobs) if each.move is Move.DROP or not each.attach]

    monkeypatch.setattr(life, "recover", hasty)
    assert found(JobsGame) == "I9"


def test_a_schedule_that_forgets_what_it_fired_last_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forgetful(schedule: Schedule, last: Due | None, since: datetime, now: datetime) -> Pending:
        told = pending(schedule, last, since, now)
        return replace(told, missed=()) if len(told.missed) > 1 else told

    monkeypatch.setattr(dues, "pending", forgetful)
    assert found(DuesGame) == "G14"


def test_a_schedule_that_does_not_say_that_more_was_missed_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def silent(schedule: Schedule, last: Due | None, since: datetime, now: datetime) -> Pending:
        return replace(pending(schedule, last, since, now), uncounted=False)

    monkeypatch.setattr(dues, "pending", silent)
    assert found(DuesGame) == "G14"


def test_a_pair_that_is_never_equal_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(record: Applied, work: Work) -> bool:
        return False

    monkeypatch.setattr(verdicts, "_equal", never)
    monkeypatch.setattr(drafts, "settled", lambda *given: False)
    assert found(FleetGame) == "not again"


def _generous(board: Board, now: datetime) -> Decision:
    """Decide as if no server were ever missing."""
    budgets = board.budgets
    board.budgets = tuple(replace(one, limit=len(SERVERS)) for one in budgets)
    try:
        return decide(board, now)
    finally:
        board.budgets = budgets


def _stubborn(board: Board, now: datetime) -> Decision:
    """Decide as if a rollout were never halted."""
    kept = {name: lane.order for name, lane in board.lanes.items()}
    for lane in board.lanes.values():
        if lane.order.max_failures is not None:
            lane.order = replace(lane.order, max_failures=len(SERVERS))
    try:
        return decide(board, now)
    finally:
        for name, order in kept.items():
            board.lanes[name].order = order


def _eager(board: Board, now: datetime) -> Decision:
    """Decide as if nothing came after anything."""
    kept = {name: lane.order for name, lane in board.lanes.items()}
    for lane in board.lanes.values():
        lane.order = replace(lane.order, after=())
    try:
        return decide(board, now)
    finally:
        for name, order in kept.items():
            board.lanes[name].order = order


@pytest.mark.parametrize("broken", [_generous, _stubborn, _eager])
def test_a_rollout_that_keeps_to_no_limit_is_found(
    broken: Callable[[Board, datetime], Decision],
) -> None:
    assert found(partial(FleetGame, decide_by=broken)) == "rollout"
