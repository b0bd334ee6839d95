"""What of a run starts now, what never will, and when to look again.

Pure. Asked by `conductor` whenever something began, ended or is due; reads a `Board` and changes nothing on it.

A place goes to what was begun by an earlier process, then to the target of the highest priority. On one server the jobs
have their turns by wave, priority and target. Nothing waits for ever: when nothing runs, nothing can start and nothing is
due, what is left is skipped with the reason.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from controller.jobs.board import Board, Lane, Rank
from controller.jobs.reasons import BUDGET_EXHAUSTED, DEPENDENCY_FAILED, HALTED
from controller.model.ids import JobId
from controller.model.job import Job

RECHECK: Final = 5.0
"""Seconds after which a server that another run works on is looked at again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to be done now.

    `start` is in order. `skip` gives the reason by job; where something is skipped nothing is started, because the next
    decision may differ. `wake_at`: something is due then, unless a job ends before. `halted` says by target why nothing
    more of it starts, those that were halted before included. `wants` are servers that are full of jobs of other runs, and how
    urgently a place there is waited for.
    """

    start: tuple[JobId, ...] = ()
    skip: Mapping[JobId, str] = field(default_factory=dict)
    wake_at: datetime | None = None
    halted: Mapping[str, str] = field(default_factory=dict)
    wants: Mapping[str, Rank] = field(default_factory=dict)


def decide(board: Board, now: datetime) -> Decision:
    """Decide what of a run is done now."""
    halted = {lane.target or "": why for lane in _lanes(board) if (why := lane.halted) is not None}
    skip = _hopeless(board)
    if skip:
        return Decision(skip=skip, halted=halted)
    free, due = _open_lanes(board, now)
    places = _Places(board, free)
    start, blocked_elsewhere = places.fill()
    if blocked_elsewhere:
        due.append(now + timedelta(seconds=RECHECK))
    if not start and not board.running and not due:
        return Decision(skip=_stuck(board, free), halted=halted)
    return Decision(start=start, wake_at=min(due, default=None), halted=halted, wants=places.wants)


def _lanes(board: Board) -> list[Lane]:
    """List the lanes, the most urgent first."""
    return sorted(board.lanes.values(), key=lambda lane: lane.rank)


def _before(board: Board, lane: Lane) -> Iterator[Lane]:
    """List the lanes that a lane comes after; what is not in the run is not waited for."""
    return (board.lanes[name] for name in lane.order.after if name in board.lanes)


def _hopeless(board: Board) -> dict[JobId, str]:
    """Say what waits and will never start, and why."""
    skip: dict[JobId, str] = {}
    for lane in board.lanes.values():
        if not lane.waiting:
            continue
        if lane.halted is not None:
            skip |= dict.fromkeys(lane.left, HALTED)
        elif any(each.spoiled for each in _before(board, lane)):
            skip |= dict.fromkeys(lane.left, DEPENDENCY_FAILED)
    return skip


def _stuck(board: Board, free: Iterable[Lane]) -> dict[JobId, str]:
    """Say what becomes of what is left when nothing moves any more.

    Targets that could start but for a budget go first: their dependents then follow by the usual rule. Without any, targets
    wait for each other in a circle.
    """
    blocked = [id_ for lane in free for id_ in lane.left]
    if blocked:
        return dict.fromkeys(blocked, BUDGET_EXHAUSTED)
    return {id_: DEPENDENCY_FAILED for lane in board.lanes.values() for id_ in lane.left}


def _open_lanes(board: Board, now: datetime) -> tuple[list[Lane], list[datetime]]:
    """List the lanes of which something may start now, the most urgent first, and when pauses of others are over."""
    free: list[Lane] = []
    due: list[datetime] = []
    for lane in _lanes(board):
        if not lane.front or not all(each.succeeded for each in _before(board, lane)):
            continue
        ready_at = _ready_at(lane)
        if ready_at is not None and ready_at > now:
            due.append(ready_at)
        else:
            free.append(lane)
    return free, due


def _ready_at(lane: Lane) -> datetime | None:
    """Say when the wave of a lane may begin; None when it has begun, or is the first."""
    wave = lane.wave
    if wave is None or wave <= lane.reached or lane.last_end is None:
        return None
    return lane.last_end + timedelta(seconds=lane.order.pause)


class _Places:
    """The places that are free now, being filled."""

    def __init__(self, board: Board, free: list[Lane]) -> None:
        self._board = board
        self._free = free
        self._waves = {lane.target: lane.wave for lane in free}
        self._taken: dict[JobId, Job] = {}
        self._busy: Counter[str] = Counter(board.busy)
        self._working = {(job.target, job.server) for job in board.running.values()}
        self._out = [self._unavailable(number) for number in range(len(board.budgets))]
        self._blocked_elsewhere = False
        self.wants: dict[str, Rank] = {}
        """Servers on which only jobs of other runs stand in the way."""

    def _unavailable(self, number: int) -> set[str]:
        """List the servers of a budget that are down or worked on."""
        board = self._board
        servers = board.budgets[number].servers
        begun = (job.server for job in board.resumed.values())
        out = {*board.busy, *board.elsewhere.busy, *board.elsewhere.down, *begun}
        return set(board.down(number)) | (servers & out)

    def fill(self) -> tuple[tuple[JobId, ...], bool]:
        """Say what starts, and whether something would but for work of other runs."""
        for id_ in self._candidates():
            if self._full:
                break
            while id_ not in self._taken and (job := self._next(self._board.jobs[id_])) is not None:
                self._take(job)
        return tuple(self._taken), self._blocked_elsewhere

    @property
    def _full(self) -> bool:
        return len(self._board.running) + len(self._taken) >= self._board.parallel

    def _next(self, candidate: Job) -> Job | None:
        """Say which job of a candidate's server starts now; None when none may."""
        rank = self._board.lanes[candidate.target].rank
        if self._full or not self._has_room(candidate.server, rank):
            return None
        if candidate.id in self._board.resumed:
            return candidate if self._is_alone(candidate) else None
        return self._whose_turn(candidate.server) if self._spared(candidate.server) else None

    def _candidates(self) -> Iterator[JobId]:
        resumed = self._board.resumed.values()
        yield from [
            job.id for job in sorted(resumed, key=lambda j: (j.target or "", j.created_at, j.id))
        ]
        for lane in self._free:
            yield from self._front(lane)

    def _front(self, lane: Lane) -> Iterator[JobId]:
        """Give what waits in a lane; once a group of all its servers has none to spare, only what is on those at work or down.

        Without this a small budget of a large group would have everything looked through at every decision.
        """
        front = lane.front
        for id_ in front:
            spent = next((self._out[n] for n in lane.within if self._is_spent(n)), None)
            if spent is not None:
                self._blocked_elsewhere |= not spent.isdisjoint(self._board.elsewhere.busy)
                here = (id_ for server in sorted(spent) for id_ in self._board.at.get(server, ()))
                yield from [id_ for id_ in here if id_ in front]
                return
            yield id_

    def _is_spent(self, number: int) -> bool:
        """Whether a budget has no further server to spare."""
        return len(self._out[number]) >= self._board.budgets[number].limit

    def _has_room(self, server: str, rank: Rank) -> bool:
        """Whether a server takes one more job, and nobody waits there who is more urgent."""
        here, elsewhere = self._busy[server], self._board.elsewhere
        width = self._board.width(server)
        if here >= width:
            return False
        first = elsewhere.wanted.get(server)
        if here + elsewhere.busy.get(server, 0) < width and (first is None or rank <= first):
            return True
        self._blocked_elsewhere = True
        self.wants[server] = min(rank, self.wants.get(server, rank))
        return False

    def _spared(self, server: str) -> bool:
        """Whether a server may be worked on without too many of a group being unavailable."""
        for number, budget in enumerate(self._board.budgets):
            out = self._out[number]
            if server in budget.servers and server not in out and self._is_spent(number):
                self._blocked_elsewhere |= not out.isdisjoint(self._board.elsewhere.busy)
                return False
        return True

    def _whose_turn(self, server: str) -> Job | None:
        """Say which waiting job of a server is next; None when their targets are at work there already."""
        for id_ in self._board.at[server]:
            job = self._board.jobs[id_]
            lane = self._board.lanes[job.target]
            if (
                self._board.waits(id_)
                and id_ not in self._taken
                and self._waves.get(job.target) == lane.wave_of(job)
                and self._is_alone(job)
            ):
                return job
        return None

    def _is_alone(self, job: Job) -> bool:
        """Whether no other job of its target is at work on its server."""
        return job.target is None or (job.target, job.server) not in self._working

    def _take(self, job: Job) -> None:
        """Give a place to a job."""
        self._taken[job.id] = job
        self._busy[job.server] += 1
        self._working.add((job.target, job.server))
        for budget, out in zip(self._board.budgets, self._out, strict=True):
            if job.server in budget.servers:
                out.add(job.server)
