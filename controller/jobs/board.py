"""How far the jobs of a run are, kept up to date so that a decision need not look at all of them.

Pure. Made and told by `conductor`; read by `schedule`, which decides. A board says what is, never what shall be.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from controller.jobs.tally import BAD, Fate, fate_of, why_halted
from controller.model.ids import JobId
from controller.model.job import Job, State
from controller.model.rollout import GroupBudget, Order

Rank = tuple[int, str]
"""Whose turn it is on a server among targets of several runs: the lower priority number, then the name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """Other runs: how many jobs of theirs are on each server now, and servers whose work nobody answers for.

    `wanted` says of a server that another run waits for a place there, and how urgent that is.
    """

    busy: Mapping[str, int] = field(default_factory=dict)
    down: Collection[str] = frozenset()
    wanted: Mapping[str, Rank] = field(default_factory=dict)


NOWHERE = Elsewhere()


class Lane:
    """The jobs of one target. Without an order there are no waves, no limit, and nothing to come after."""

    def __init__(self, target: str | None, order: Order | None) -> None:
        self.target = target
        self.order = order or Order()
        self.waiting: dict[int, dict[JobId, Job]] = {}
        self.running: dict[JobId, Job] = {}
        """What was begun and has not ended, by an earlier process included."""
        self.fates: Counter[Fate] = Counter()
        self.reached = 0
        """The highest wave of which something ended."""
        self.last_end: datetime | None = None
        self.within: tuple[int, ...] = ()
        """The numbers of the budgets that hold every server of it."""
        self._has_waves = order is not None

    @property
    def rank(self) -> Rank:
        """How urgent it is."""
        return -self.order.priority, self.target or ""

    def wave_of(self, job: Job) -> int:
        """Say in which wave a job is."""
        return job.wave if self._has_waves else 1

    @property
    def wave(self) -> int | None:
        """The wave that is being worked on, or comes next; None when all is done."""
        running = (self.wave_of(job) for job in self.running.values())
        return min((*running, *self.waiting), default=None)

    @property
    def front(self) -> Collection[JobId]:
        """What waits in that wave, in order."""
        wave = self.wave
        return () if wave is None else self.waiting.get(wave, {}).keys()

    @property
    def left(self) -> list[JobId]:
        """Everything that waits, in order."""
        return [id_ for wave in sorted(self.waiting) for id_ in self.waiting[wave]]

    @property
    def halted(self) -> str | None:
        """Why nothing more may start."""
        return why_halted(self.order, self.fates)

    @property
    def succeeded(self) -> bool:
        """Whether every job ended well."""
        return not self.waiting and not self.running and not self.spoiled

    @property
    def spoiled(self) -> bool:
        """Whether not every job can end well any more."""
        return sum(self.fates.values()) > self.fates[Fate.GOOD]

    def add(self, job: Job) -> None:
        """Put a job where it waits."""
        self.waiting.setdefault(self.wave_of(job), {})[job.id] = job

    def take(self, job: Job) -> None:
        """Take a job away from where it waits."""
        wave = self.wave_of(job)
        del self.waiting[wave][job.id]
        if not self.waiting[wave]:
            del self.waiting[wave]

    def settle(self, job: Job, fate: Fate, at: datetime) -> None:
        """Count what became of a job."""
        self.fates[fate] += 1
        self.reached = max(self.reached, self.wave_of(job))
        self.last_end = at if self.last_end is None else max(self.last_end, at)


class Board:
    """All jobs of a run, by target and by server.

    `resumed` are jobs of which something left the controller before: they go on whatever the limits say. `elsewhere` is
    to be renewed before each decision.
    """

    def __init__(
        self,
        jobs: Iterable[Job],
        *,
        orders: Mapping[str, Order] | None = None,
        budgets: Iterable[GroupBudget] = (),
        parallel: int,
        widths: Mapping[str, int] | None = None,
        to_do: Collection[JobId] | None = None,
        now: datetime | None = None,
    ) -> None:
        """Lay out the jobs of a run as they stand.

        Args:
            jobs: all of them; those that are not to be driven count for the limits.
            orders: what targets keep to.
            budgets: what groups of servers keep to.
            parallel: how many jobs at once.
            widths: how many jobs at once on a server, where that is not one.
            to_do: what is to be driven; without it, what has not ended.
            now: pauses after what ended later, by a clock that was ahead, begin now.
        """
        every = tuple(jobs)
        open_ = {job.id for job in every if not job.state.ended} if to_do is None else to_do
        self.parallel = max(1, parallel)
        self.budgets = tuple(budgets)
        self.elsewhere = NOWHERE
        self.jobs: dict[JobId, Job] = {}
        self.lanes: dict[str | None, Lane] = {}
        self.resumed: dict[JobId, Job] = {}
        self.running: dict[JobId, Job] = {}
        self.busy: Counter[str] = Counter()
        self.at: dict[str, list[JobId]] = defaultdict(list)
        """By server what is left to do on it, the next to have its turn first."""
        self._down = [set(budget.down & budget.servers) for budget in self.budgets]
        self._widths = widths or {}
        for job in sorted(every, key=lambda each: (each.server, each.created_at, each.id)):
            lane = self._lane(job.target, (orders or {}).get(job.target or ""))
            if job.id in open_:
                self._place(job, lane)
            else:
                at = job.finished_at or job.created_at
                self._count(job, at if now is None else min(at, now))
        for ids in self.at.values():
            ids.sort(key=self._turn)
        self._group(every)

    def _lane(self, target: str | None, order: Order | None) -> Lane:
        """Give the lane of a target."""
        if target not in self.lanes:
            self.lanes[target] = Lane(target, order)
        return self.lanes[target]

    def _group(self, jobs: Iterable[Job]) -> None:
        """Note which budgets hold all servers of a lane."""
        servers: dict[str | None, set[str]] = defaultdict(set)
        for job in jobs:
            servers[job.target].add(job.server)
        for target, lane in self.lanes.items():
            lane.within = tuple(
                number
                for number, budget in enumerate(self.budgets)
                if servers[target] <= budget.servers
            )

    def _place(self, job: Job, lane: Lane) -> None:
        """Put a job where it waits for its turn."""
        self.jobs[job.id] = job
        self.at[job.server].append(job.id)
        if job.state is State.PENDING:
            lane.add(job)
        else:
            lane.running[job.id] = self.resumed[job.id] = job

    def _turn(self, id_: JobId) -> tuple[int, int, str, datetime, JobId]:
        """Say when a job has its turn on its server."""
        job = self.jobs[id_]
        lane = self.lanes[job.target]
        return lane.wave_of(job), -lane.order.priority, job.target or "", job.created_at, id_

    def width(self, server: str) -> int:
        """Say how many jobs may be on a server at once."""
        return max(1, self._widths.get(server, 1))

    def waits(self, id_: JobId) -> bool:
        """Whether a job that nothing left of is still to be begun."""
        job = self.jobs.get(id_)
        if job is None or id_ in self.running or id_ in self.resumed:
            return False
        lane = self.lanes[job.target]
        return id_ in lane.waiting.get(lane.wave_of(job), {})

    def down(self, budget: int) -> Collection[str]:
        """List the servers of a budget that are down, by its number."""
        return self._down[budget]

    def begin(self, id_: JobId) -> Job:
        """Note that a job is being driven."""
        job = self.jobs[id_]
        lane = self.lanes[job.target]
        if self.resumed.pop(id_, None) is None:
            lane.take(job)
        lane.running[id_] = self.running[id_] = job
        self.busy[job.server] += 1
        return job

    def end(self, job: Job, at: datetime) -> None:
        """Note that a job that was begun is not driven any more; one that is still open then went wrong."""
        lane = self.lanes[job.target]
        del lane.running[job.id], self.running[job.id]
        self.busy[job.server] -= 1
        if not self.busy[job.server]:
            del self.busy[job.server]
        self._close(job, at)

    def skip(self, job: Job, at: datetime) -> None:
        """Note that a waiting job was skipped."""
        self.lanes[job.target].take(job)
        self._close(job, at)

    def _close(self, job: Job, at: datetime) -> None:
        """Take a job off the board."""
        del self.jobs[job.id]
        self.at[job.server].remove(job.id)
        if not self.at[job.server]:
            del self.at[job.server]
        self._count(job, at)

    def _count(self, job: Job, at: datetime) -> None:
        """Count what became of a job; a server that went wrong is down for the rest of the run."""
        fate = fate_of(job) or Fate.FAILED
        self.lanes[job.target].settle(job, fate, at)
        if fate in BAD:
            for budget, down in zip(self.budgets, self._down, strict=True):
                if job.server in budget.servers:
                    down.add(job.server)
