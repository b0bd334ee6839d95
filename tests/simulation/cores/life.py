"""One life of the controller of a jobs game: what the drivers of `jobs` do, one thing at a time, with the pure cores they ask.

`dag` says what may begin, `machine` and `ledger` what is written, `verdict` and `outcome` what an answer proves, `retry` when the next try
is due, `ending` how a job ends, and `recovery` what becomes of what an earlier life left behind. Nothing is sent before it is written.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from controller.jobs.dag import frontier
from controller.jobs.ending import Bar, end_of
from controller.jobs.ledger import Ledger, Note, find_step
from controller.jobs.machine import Signal
from controller.jobs.outcome import (
    Outcome,
    remembered,
)
from controller.jobs.recovery import Move, recover, unsettled
from controller.jobs.verdict import Verdict, judge
from controller.model.ids import JobId
from controller.model.job import Attempt, Job, State, StepRun
from controller.model.work import StepWork
from tests.simulation.cores.rows import Rows
from tests.simulation.cores.servers import Answer, Ask, Server, Wire
from tests.simulation.cores.tries import next_try, outcome_of

GOING = frozenset({State.DISPATCHED, State.RUNNING, State.LOST})
SIGNALS = {
    State.SUCCEEDED: Signal.SUCCEED,
    State.FAILED: Signal.FAIL,
    State.TIMED_OUT: Signal.TIME_OUT,
    State.CANCELLED: Signal.CANCEL,
    State.INTERRUPTED: Signal.INTERRUPT,
}
Place = tuple[JobId, str, int]
"""Job, step and number of an attempt."""


class Life:
    """A controller from its start to its death."""

    def __init__(self, rows: Rows, servers: dict[str, Server], now: datetime) -> None:
        self.now = now
        self.wires: dict[str, Wire] = {}
        self.ledgers: dict[JobId, Ledger] = {}
        self._rows = rows
        self._servers = servers
        self._asked: dict[int, Place] = {}
        self._numbers = 0
        self._waits: dict[tuple[JobId, str], datetime] = {}
        """Steps whose next try is due at a time."""
        self._take_up()

    def _take_up(self) -> None:
        """Do with what was left behind what recovery says."""
        found = {id_: self._rows.read(id_) for id_ in self._rows.recorded}
        for each in recover(one.job for one in found.values()):
            self.ledgers[each.job] = found[each.job]
            if each.move is Move.DROP:
                self._append(each.job, Note(signal=Signal.CANCEL, reason="dropped"))
                del self.ledgers[each.job]

    # connections

    def connect(self, name: str) -> None:
        """Open a session, and take up there what may be under way."""
        if name in self.wires or self._servers[name].down:
            return
        self.wires[name] = Wire(self._servers[name])
        for id_, ledger in list(self.ledgers.items()):
            if ledger.job.server == name:
                self._resume(id_)

    def cut(self, name: str) -> None:
        """Lose a session."""
        if name in self.wires:
            self.wires.pop(name).break_off()
            gone = [n for n, place in self._asked.items() if self._job(place[0]).server == name]
            for number in gone:
                del self._asked[number]

    def give_up(self, name: str) -> None:
        """Write down that nobody answers for what may run on a server that was silent for long."""
        for id_, ledger in list(self.ledgers.items()):
            job = ledger.job
            loose = unsettled(job)
            if job.server != name or job.state is State.LOST or not loose or name in self.wires:
                continue
            notes = [
                Note(signal=Signal.LOSE, step=run.name, attempt=number)
                for run in job.steps
                for number in (
                    *(each.number for each in run.attempts if each in loose),
                    *([None] if run.state in GOING else []),
                )
            ]
            self._append(id_, *notes, Note(signal=Signal.LOSE))

    def hear(self, answer: Answer) -> None:
        """Weigh an answer; one that came twice was weighed before."""
        asked = self._asked.pop(answer.number, None)
        if asked is not None:
            self._weigh(asked, answer)

    # jobs

    def accept(self, job: Job, steps: tuple[StepWork, ...]) -> None:
        """Record a job."""
        self._rows.add(job, steps)
        self.ledgers[job.id] = Ledger(job=job)

    def look(self, now: datetime) -> None:
        """Go on with every job as far as that goes now."""
        self.now = now
        for id_ in list(self.ledgers):
            self._go_on(id_)

    def _resume(self, id_: JobId) -> None:
        """Ask about what may run, and go on after what has ended."""
        for run in self._job(id_).steps:
            if run.state not in GOING:
                continue
            last = run.attempts[-1]
            place = (id_, run.name, last.number)
            if last.state.ended and last.state is not State.LOST:
                if (id_, run.name) not in self._waits:
                    self._end(place, remembered(last))
            else:
                self._ask("status", place)

    def _go_on(self, id_: JobId) -> None:
        job = self._job(id_)
        if job.state is State.PENDING and id_ in self._rows.stops:
            self._append(id_, Note(signal=Signal.CANCEL, reason="stopped"))
            del self.ledgers[id_]
            return
        if job.server not in self.wires:
            return
        if job.state is State.PENDING:
            self._append(id_, Note(signal=Signal.DISPATCH))
            self._append(id_, Note(signal=Signal.START))
        self._follow(id_)
        self._begin_what_is_ready(id_)
        if not any(run.state in GOING for run in self._job(id_).steps):
            self._conclude(id_)

    def _follow(self, id_: JobId) -> None:
        """Ask about what may run, or have it stopped; send the next try where that is due."""
        stops = id_ in self._rows.stops
        for run in self._job(id_).steps:
            place = (id_, run.name, len(run.attempts))
            if run.state not in GOING or place in self._asked.values():
                continue
            begins = self._waits.get((id_, run.name))
            if begins is None:
                self._ask("stop" if stops else "status", place)
            elif stops or begins <= self.now:
                del self._waits[id_, run.name]
                if stops:
                    self._end(place, remembered(run.attempts[-1]))
                else:
                    self._send((id_, run.name, len(run.attempts) + 1))

    def _begin_what_is_ready(self, id_: JobId) -> None:
        """Skip what will never run, and send what may begin."""
        lost = any(run.state is State.LOST for run in self._job(id_).steps)
        if lost or self._bar(id_) is not None:
            return
        front = frontier(self._rows.works[id_], self._runs(id_))
        while front.doomed:
            notes = [Note(signal=Signal.SKIP, step=n, reason=w) for n, w in front.doomed.items()]
            self._append(id_, *notes)
            front = frontier(self._rows.works[id_], self._runs(id_))
        for name in front.ready:
            self._send((id_, name, 1))

    def _conclude(self, id_: JobId) -> None:
        """End a job of which nothing runs and nothing will."""
        bar = self._bar(id_)
        pending = [run.name for run in self._job(id_).steps if run.state is State.PENDING]
        if pending and bar is None:
            return
        if self._job(id_).state is State.LOST:
            self._append(id_, Note(signal=Signal.START))
        if pending:
            self._append(id_, *(Note(signal=Signal.SKIP, step=name) for name in pending))
        end = end_of(self._rows.works[id_], self._runs(id_), bar, whole=not pending)
        self._append(id_, Note(signal=SIGNALS[end.state], reason=end.reason))
        del self.ledgers[id_]

    def _bar(self, id_: JobId) -> Bar | None:
        if id_ in self._rows.stops:
            return Bar(state=State.CANCELLED, reason="stopped")
        if any(run.state is State.INTERRUPTED for run in self._job(id_).steps):
            return Bar(state=State.INTERRUPTED, reason="a step was interrupted")
        return None

    # attempts

    def _send(self, place: Place) -> None:
        """Write an attempt down, then have it begun."""
        id_, step, number = place
        boot = self.wires[self._job(id_).server].boot_id
        self._append(id_, Note(signal=Signal.DISPATCH, step=step, attempt=number, boot_id=boot))
        self._ask("start", place)

    def _ask(self, what: str, place: Place) -> None:
        wire = self.wires[self._job(place[0]).server]
        self._numbers += 1
        self._asked[self._numbers] = place
        wire.ask(Ask(what, self._attempt(place).id, self._numbers))

    def _weigh(self, place: Place, answer: Answer) -> None:
        id_, step, number = place
        attempt = self._attempt(place)
        if attempt.state.ended and attempt.state is not State.LOST:
            return
        verdict = judge(attempt, answer.status, answer.boot_id)
        if verdict is Verdict.WAITS:
            if attempt.state is not State.DISPATCHED:
                self._append(id_, Note(signal=Signal.HOLD, step=step, attempt=number))
        elif verdict is Verdict.RUNS:
            if attempt.state is not State.RUNNING:
                self._append(id_, Note(signal=Signal.START, step=step, attempt=number))
        elif verdict is Verdict.NEVER_STARTED and self._bar(id_) is None:
            note = Note(signal=Signal.DISPATCH, step=step, attempt=number, boot_id=answer.boot_id)
            self._append(id_, note)
            self._ask("start", place)
        else:
            self._end(place, outcome_of(verdict, answer.status))

    def _end(self, place: Place, outcome: Outcome) -> None:
        """Try again, or write down how the step ended."""
        id_, step, number = place
        barred = self._bar(id_) is not None
        run, work = self._run(id_, step), self._work(id_, step)
        begins = None if barred else next_try(run, work, outcome, number, self.now)
        settled = self._settled(place)
        if begins is not None:
            if not settled:
                gone = replace(outcome, signal=Signal.INTERRUPT) if outcome.cut_off else outcome
                self._append(id_, gone.of_attempt(step, number))
            self._waits[id_, step] = begins
            return
        if run.state is State.LOST and outcome.signal is Signal.LOSE:
            return
        whole = replace(outcome, signal=Signal.FAIL) if outcome.unstarted else outcome
        if outcome.unstarted and id_ in self._rows.stops:
            whole = outcome
        notes = [whole.of_step(step)]
        if not settled:
            notes.insert(0, outcome.of_attempt(step, number))
        if outcome.signal is Signal.LOSE and self._job(id_).state is not State.LOST:
            notes.append(Note(signal=Signal.LOSE))
        self._append(id_, *notes)

    # the ledger

    def _append(self, id_: JobId, *notes: Note) -> None:
        """Write notes down; they count only then."""
        ledger, events = self.ledgers[id_], []
        for note in notes:
            self.now += timedelta(microseconds=1)
            ledger, event = ledger.note(note, self.now)
            events.append(event)
        self._rows.append(id_, events)
        self.ledgers[id_] = ledger

    def _job(self, id_: JobId) -> Job:
        return self.ledgers[id_].job

    def _runs(self, id_: JobId) -> dict[str, StepRun]:
        return {run.name: run for run in self._job(id_).steps}

    def _run(self, id_: JobId, step: str) -> StepRun:
        return find_step(self._job(id_), step)

    def _work(self, id_: JobId, step: str) -> StepWork:
        return next(one for one in self._rows.works[id_] if one.name == step)

    def _attempt(self, place: Place) -> Attempt:
        return self._run(place[0], place[1]).attempts[place[2] - 1]

    def _settled(self, place: Place) -> bool:
        state = self._attempt(place).state
        return state.ended and state is not State.LOST
