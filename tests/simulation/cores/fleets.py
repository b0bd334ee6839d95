"""The game of plans and rollouts: four machines, three targets, a controller that dies between any two writes.

The cores are the planner with its gates and waves, and `decide` over a `Board`. Plans are made from what is known, which is often old;
runs are carried out as far as that goes; at last every pair is in force, and a plan is empty.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Final

from controller.jobs.board import Board
from controller.jobs.reasons import BUDGET_EXHAUSTED, DEPENDENCY_FAILED, HALTED
from controller.jobs.schedule import Decision, decide
from controller.model.ids import JobId, RunId
from controller.model.job import Job, State
from controller.model.plan import Change, Gate, Plan
from controller.model.standing import Suspension
from controller.planning.applying import apply_set
from tests.faults.oracle import demand, some
from tests.simulation.cores.menu import Menu
from tests.simulation.cores.rollouts import PARALLEL, hold_pair, hold_start
from tests.simulation.cores.town import SERVERS, Machine, Town, applied, tried
from tests.simulation.quiet import START

HEALED: Final = 40
"""Plans after which everything is in force."""
DECISIONS: Final = 400
REASONS: Final = frozenset({HALTED, DEPENDENCY_FAILED, BUDGET_EXHAUSTED})


class FleetGame:
    """Plans, runs and what becomes of them."""

    def __init__(
        self,
        rng: Random,
        *,
        decide_by: Callable[[Board, datetime], Decision] = decide,
    ) -> None:
        self.happened: Counter[str] = Counter()
        self._rng = rng
        self._decide_by = decide_by
        self._now = START
        self._town = Town()
        self._jobs: dict[JobId, Job] = {}
        self._plan: Plan | None = None
        self._board: Board | None = None
        self._runs = 0
        acts = {
            "plan": (5, self._make_plan),
            "decide": (26, self._decide),
            "end": (26, self._end),
            "look": (12, lambda: self._town.look(rng.choice(SERVERS), self._now)),
            "wait": (6, self._wait),
            "commit": (3, self._commit),
            "go down": (1, self._go_down),
            "come back": (6, self._come_back),
            "suspend": (1, self._suspend),
            "resume": (4, self._resume),
            "forget": (1, self._forget),
            "die": (2, self._die),
        }
        self._menu = Menu(rng, acts)

    def play(self) -> None:
        act = self._menu.draw(self.happened)
        self._now += timedelta(seconds=1)
        act()

    def close(self) -> None:
        """Nothing is held."""

    def heal(self) -> None:
        self._town.suspended.clear()
        for machine in self._town.machines.values():
            machine.down = False
        self._finish()
        for name in self._town.versions:  # what failed with its inputs gets others
            self._town.versions[name] += 1
        for _ in range(HEALED):
            for name in SERVERS:
                self._town.look(name, self._now)
            self._now += timedelta(seconds=1)
            self._make_plan()
            if self._board is None and self._town.overrides:
                break
            if (
                self._board is None
            ):  # targets that failed may hold each other: a person passes over it
                self._town.overrides[Gate.BUDGET] = "healed"
            self._finish()
        plan = self._town.plan(self._now)
        demand(not plan.changes, "I9", f"still to be done: {some(plan.changes)}")
        passing = [job.id for job in self._jobs.values() if not job.state.ended]
        demand(not passing, "I9", f"still on their way: {some(passing)}")

    def _finish(self) -> None:
        """Carry out what is under way; everything goes well."""
        for _ in range(DECISIONS):
            if self._board is None:
                return
            self._now += timedelta(seconds=10)
            self._decide()
            for machine in self._town.machines.values():
                for id_ in list(machine.work.values()):
                    self._conclude(machine, self._jobs[JobId(id_)], State.SUCCEEDED)
        raise AssertionError(f"a run never ends: {self._board and self._board.jobs}")

    # plans

    def _make_plan(self) -> None:
        """Plan, hold the plan to its laws, and record a run of it where none is under way."""
        plan = self._town.plan(self._now)
        if self._runs % 4 == 0:
            demand(plan == self._town.plan(self._now), "plan", "two plans of the same differ")
        changes = {(one.target, one.server): one for one in plan.changes}
        for target, one in self._town.declaration.targets.items():
            for server in one.members:
                change = changes.get((target, server))
                self.happened["would run"] += change is not None and change.runs
                hold_pair(self._town, (target, server), change)
        if self._board is not None:
            return
        self._runs += 1
        orders = [self._job(one) for one in apply_set(plan)]
        if orders:
            self._jobs |= {job.id: job for job in orders}
            self._plan = plan
            self._lay_out()

    def _job(self, change: Change) -> Job:
        assert change.after is not None
        return Job(
            id=JobId(f"r{self._runs}-{change.target}-{change.server}"),
            run=RunId(f"r{self._runs}"),
            target=change.target,
            task=change.task,
            server=change.server,
            wave=change.wave,
            digest=change.after,
            created_at=self._now,
        )

    # runs

    def _lay_out(self) -> None:
        """Lay out the jobs of the run that is under way, as they stand."""
        assert self._plan is not None
        mine = [job for job in self._jobs.values() if job.run == f"r{self._runs}"]
        orders, budgets = self._plan.orders, self._plan.budgets
        self._board = Board(mine, orders=orders, budgets=budgets, parallel=PARALLEL)
        if not self._board.jobs:
            self._board = None

    def _ask(self) -> None:
        """Learn of what ended while its server did not answer."""
        for job in list(self._board.running.values()) if self._board is not None else ():
            machine = self._town.machines[job.server]
            if job.id in machine.done and not machine.down:
                self._settle(machine, self._jobs[job.id])
                return

    def _decide(self) -> None:
        self._ask()
        board = self._board
        if board is None:
            return
        decision = self._decide_by(board, self._now)
        for id_ in decision.start:
            hold_start(board, self._jobs[id_], self._jobs.values())
            board.begin(id_)
        for id_ in decision.start:
            self._start(self._jobs[id_])
            if self._board is not board:
                return  # the controller died by it
        for id_, reason in decision.skip.items():
            demand(reason in REASONS, "rollout", f"{id_} is skipped, {reason}")
            self._jobs[id_] = replace(board.jobs[id_], state=State.SKIPPED, reason=reason)
            board.skip(self._jobs[id_], self._now)
        moves = decision.start or decision.skip or board.running or decision.wake_at
        demand(moves or not board.jobs, "I9", f"nothing moves any more: {some(board.jobs)}")
        if not board.jobs:
            self._board = None

    def _start(self, job: Job) -> None:
        """Have a server do a job: the row first, then the marker there and the record here, then the work."""
        machine = self._town.machines[job.server]
        if job.id in machine.done:
            self._settle(machine, job)
            return
        if job.target in machine.work:
            demand(machine.work[job.target] == job.id, "one at a time", f"{job.id} is one too many")
            return
        if machine.down:
            self._fail(job, replace(job, state=State.SKIPPED, reason="Unreachable"))
            return
        assert job.target is not None
        now = machine.markers.get(job.target)
        again = now is not None and now.tried is None and now.applied == job.digest
        demand(not again, "not again", f"{job.id} does what is in force already")
        self._jobs[job.id] = replace(job, state=State.RUNNING, started_at=self._now)
        machine.markers[job.target] = tried(now, job, self._now)
        self._town.records[job.target, job.server] = machine.markers[job.target]
        machine.work[job.target] = job.id
        self.happened["begun"] += 1

    def _fail(self, job: Job, after: Job) -> None:
        self._jobs[job.id] = replace(after, finished_at=self._now)
        if self._board is not None:
            self._board.end(self._jobs[job.id], self._now)

    def _end(self) -> None:
        machine = self._town.machines[self._rng.choice(SERVERS)]
        if machine.work:
            id_ = self._rng.choice(list(machine.work.values()))
            state = self._rng.choice(
                (State.SUCCEEDED, State.SUCCEEDED, State.SUCCEEDED, State.FAILED)
            )
            self._conclude(machine, self._jobs[JobId(id_)], state)

    def _conclude(self, machine: Machine, job: Job, state: State) -> None:
        """Have a job end: the marker there, the record here, then the row; nobody may be there to write them."""
        assert job.target is not None
        if machine.work.pop(job.target, None) is not None:
            machine.done[job.id] = state
        if machine.down or self._board is None or job.id not in self._board.running:
            return  # it is learnt when somebody asks
        self._settle(machine, job)

    def _settle(self, machine: Machine, job: Job) -> None:
        """Write down how a job ended; the controller may die after each of three writes."""
        assert job.target is not None
        state = machine.done[job.id]
        well = state is State.SUCCEEDED
        before = machine.markers.get(job.target)
        record = applied(job, self._now) if well else tried(before, job, self._now, state)
        machine.markers[job.target] = record
        if self._dies():
            return
        self._town.records[job.target, job.server] = record
        if self._dies():
            return
        self._fail(job, replace(job, state=state, reason=None))

    def _dies(self) -> bool:
        dies = self._rng.random() < 0.02
        if dies:
            self.happened["died at a write"] += 1
            self._die()
        return dies

    # what happens

    def _die(self) -> None:
        if self._board is not None:
            self._lay_out()

    def _wait(self) -> None:
        self._now += timedelta(seconds=self._rng.choice((5, 60)))

    def _commit(self) -> None:
        self._town.versions[self._rng.choice(list(self._town.versions))] += 1

    def _go_down(self) -> None:
        self._town.machines[self._rng.choice(SERVERS)].down = True

    def _come_back(self) -> None:
        self._town.machines[self._rng.choice(SERVERS)].down = False

    def _suspend(self) -> None:
        name = self._rng.choice(list(self._town.versions))
        self._town.suspended[name] = Suspension(target=name, reason="r", by="ops", at=self._now)

    def _resume(self) -> None:
        self._town.suspended.pop(self._rng.choice(list(self._town.versions)), None)

    def _forget(self) -> None:
        """Have a machine lose a marker, as after it was installed anew."""
        machine = self._town.machines[self._rng.choice(SERVERS)]
        name = self._rng.choice(list(self._town.versions))
        if name not in machine.work:
            machine.markers.pop(name, None)
