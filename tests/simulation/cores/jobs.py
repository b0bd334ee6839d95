"""The game of jobs: two servers, a controller that dies between any two writes, and jobs of steps that need each other.

The cores are those that `life` names. What really began is counted on the servers, where nothing can be made to look better.
"""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Final

from controller.jobs.dag import WHEN_FALSE
from controller.jobs.step import RESENDS
from controller.model.ids import AttemptId, Digest, JobId, RunId
from controller.model.job import Job, State, StepRun
from controller.model.task import Retry
from controller.model.work import StepWork
from controller.transport.port import Ending
from tests.faults.oracle import (
    as_often_as_allowed,
    demand,
    ends_stay,
    nothing_passing,
    started_once,
)
from tests.simulation.cores.fuse import Died
from tests.simulation.cores.life import Life
from tests.simulation.cores.menu import Menu
from tests.simulation.cores.rows import Rows
from tests.simulation.cores.servers import Answer, Server
from tests.simulation.cores.tries import attempts_of
from tests.simulation.quiet import START

NAMES: Final = ("web-1", "web-2")
OPEN: Final = 4
HEALED: Final = 600
"""Rounds in which everything comes to its end."""
SAYS: Final = {
    Ending.STOP: State.CANCELLED,
    Ending.UNSTARTED: State.CANCELLED,
    Ending.TIMEOUT: State.TIMED_OUT,
}


def draw_steps(rng: Random) -> tuple[StepWork, ...]:
    """Draw the steps of a job."""
    names = "abcd"[: rng.randint(1, 4)]
    return tuple(
        StepWork(
            name=name,
            text=name,
            needs=tuple(one for one in names[:at] if rng.random() < 0.5),
            continue_on_error=rng.random() < 0.2,
            idempotent=rng.random() < 0.3,
            retry=Retry(limit=rng.choice((0, 0, 1, 2)), delay=rng.choice((0.0, 5.0)), backoff=2.0),
        )
        for at, name in enumerate(names)
    )


class JobsGame:
    """Jobs, servers, and lives of a controller."""

    def __init__(
        self,
        rng: Random,
        *,
        server_of: Callable[[str, Random], Server] = Server,
        rows_of: Callable[[], Rows] = Rows,
    ) -> None:
        self.happened: Counter[str] = Counter()
        self._rng = rng
        self._now = START
        self._rows = rows_of()
        self._servers = {name: server_of(name, rng) for name in NAMES}
        self._accepted: set[JobId] = set()
        self._life = Life(self._rows, self._servers, self._now)
        acts = {
            "accept": (6, self._accept),
            "arrive": (30, self._arrive),
            "answer": (30, self._answer),
            "look": (12, self._look),
            "end": (12, self._end),
            "vanish": (1, self._vanish),
            "wait": (4, self._wait),
            "cut": (3, lambda: self._life.cut(self._any().name)),
            "connect": (12, lambda: self._life.connect(self._any().name)),
            "go down": (1, self._go_down),
            "come back": (6, self._come_back),
            "give up": (1, lambda: self._life.give_up(self._any().name)),
            "reboot": (1, self._reboot),
            "stop": (1, self._stop),
            "die": (1, self._die),
            "die soon": (1, self._die_soon),
        }
        self._menu = Menu(rng, acts)

    def play(self) -> None:
        act = self._menu.draw(self.happened)
        self._now += timedelta(milliseconds=10)
        self._do(act)

    def _do(self, act: Callable[[], None]) -> None:
        """Do something; where the controller dies by it, another life begins, and may die at once as well."""
        try:
            act()
        except Died:
            self.happened["died at a write"] += 1
            self._do(self._begin)

    def close(self) -> None:
        """Nothing is held."""

    def heal(self) -> None:
        self._rows.fuse.put_out()
        for server in self._servers.values():
            server.down = False
        self._die()
        for _ in range(HEALED):
            self._now += timedelta(seconds=1)
            self._go_on()
            if not self._life.ledgers:
                break
        self._at_last()

    def _go_on(self) -> None:
        """Let a second pass in which everything works."""
        for server in self._servers.values():
            self._life.connect(server.name)
            for id_, truth in server.running.items():
                if truth.waits:
                    server.begin(id_)
                truth.ending = Ending.EXIT
        self._look()
        for wire in self._life.wires.values():
            wire.arrive()
            self._hear(wire.answer())

    def _at_last(self) -> None:
        jobs = {id_: self._rows.read(id_).job for id_ in self._rows.recorded}
        demand(self._accepted <= jobs.keys(), "I1", "a job that was accepted is gone")
        nothing_passing(jobs.values())
        starts = [one for server in self._servers.values() for one in server.starts.elements()]
        started_once(starts)
        as_often_as_allowed(starts, self._allowed())
        self.happened["begun"] = len(starts)
        for id_, job in jobs.items():
            self.happened[f"job {job.state}"] += 1
            ends_stay(id_, self._rows.ledgers[id_])
            self._hold_to_truth(job)

    def _allowed(self) -> dict[tuple[str, str], int]:
        return {
            (str(id_), step.name): 1 + step.retry.limit + (RESENDS if step.idempotent else 0)
            for id_, steps in self._rows.works.items()
            for step in steps
        }

    def _hold_to_truth(self, job: Job) -> None:
        """What is written of each attempt is what happened on its server."""
        claims = self._servers[job.server].claims
        for id_, attempt in attempts_of(job).items():
            truth = claims.get(id_)
            if truth is None or truth.ending is None:
                never = attempt.state in {State.INTERRUPTED, State.CANCELLED}
                demand(never, "truth", f"{id_} is {attempt.state}, and its server knows no end")
                continue
            well = State.SUCCEEDED if truth.exit_code == 0 else State.FAILED
            wanted = SAYS.get(truth.ending, well)
            demand(attempt.state is wanted, "truth", f"{id_} is {attempt.state}, not {wanted}")

    # what happens

    def _any(self) -> Server:
        return self._servers[self._rng.choice(NAMES)]

    def _accept(self) -> None:
        if len(self._life.ledgers) >= OPEN:
            return
        steps = draw_steps(self._rng)
        id_ = JobId(f"j{len(self._rows.recorded) + 1}")
        job = Job(
            id=id_,
            run=RunId("run"),
            target=None,
            task="work",
            server=self._rng.choice(NAMES),
            digest=Digest("d"),
            created_at=self._now,
            steps=tuple(StepRun(name=step.name) for step in steps),
        )
        self._life.accept(job, steps)
        self._accepted.add(id_)

    def _arrive(self) -> None:
        if self._life.wires:
            wire = self._rng.choice(list(self._life.wires.values()))
            before = wire.server.starts.total()
            attempt = wire.arrive()
            if attempt is not None and wire.server.starts.total() > before:
                self._hold_start(wire.server, attempt)

    def _hold_start(self, server: Server, attempt: AttemptId) -> None:
        """What begins stands in its row, and so does the end of everything that it needs."""
        id_, step, _ = attempt.split(".")
        job = self._rows.read(JobId(id_)).job
        demand(attempt in attempts_of(job), "G2", f"{attempt} began and was never written down")
        runs = {run.name: run for run in job.steps}
        works = {work.name: work for work in self._rows.works[job.id]}
        for need in works[step].needs:
            run = runs[need]
            forgiven = works[need].continue_on_error and run.state.ended
            good = run.state is State.SUCCEEDED or run.reason == WHEN_FALSE or forgiven
            demand(good, "order", f"{attempt} began while {need} is {run.state}")

    def _answer(self) -> None:
        if self._life.wires:
            self._hear(self._rng.choice(list(self._life.wires.values())).answer())

    def _hear(self, answer: Answer | None) -> None:
        if answer is not None:
            self._life.hear(answer)

    def _look(self) -> None:
        self._life.look(self._now)

    def _end(self) -> None:
        """Have something end by itself, or prove that it never began."""
        server = self._any()
        if not server.running:
            return
        id_, truth = self._rng.choice(list(server.running.items()))
        if truth.waits and self._rng.random() < 0.8:
            server.begin(id_)
            self._hold_start(server, id_)
        elif truth.waits:
            truth.ending = Ending.UNSTARTED
        else:
            truth.ending = Ending.TIMEOUT if self._rng.random() < 0.1 else Ending.EXIT

    def _vanish(self) -> None:
        begun = [one for one in self._any().running.values() if not one.waits]
        if begun:
            self._rng.choice(begun).gone = True

    def _wait(self) -> None:
        self._now += timedelta(seconds=self._rng.choice((1.0, 10.0)))

    def _go_down(self) -> None:
        server = self._any()
        server.down = True
        self._life.cut(server.name)

    def _come_back(self) -> None:
        self._any().down = False

    def _reboot(self) -> None:
        server = self._any()
        self._life.cut(server.name)
        server.reboot()

    def _stop(self) -> None:
        if self._life.ledgers:
            self._rows.stops.add(self._rng.choice(list(self._life.ledgers)))

    def _die(self) -> None:
        for id_, ledger in self._life.ledgers.items():
            same = self._rows.read(id_).job == ledger.job
            demand(same, "ledger", f"{id_} is not what its ledger says")
        self._begin()

    def _die_soon(self) -> None:
        self._rows.fuse.light(self._rng.randint(1, 6), after=self._rng.random() < 0.5)

    def _begin(self) -> None:
        for name in NAMES:
            if name in self._life.wires:
                self._life.wires.pop(name).break_off()
        self._life = Life(self._rows, self._servers, self._now)
