"""What a controller of a jobs game does not forget: jobs as they were recorded, and their ledgers, written in one piece or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from controller.jobs.ledger import Ledger, fold
from controller.model.ids import JobId
from controller.model.job import Event, Job, State
from controller.model.work import StepWork
from tests.faults.oracle import demand
from tests.simulation.cores.fuse import Fuse


@dataclass(slots=True)
class Rows:
    """The durable part."""

    recorded: dict[JobId, Job] = field(default_factory=dict)
    works: dict[JobId, tuple[StepWork, ...]] = field(default_factory=dict)
    ledgers: dict[JobId, list[Event]] = field(default_factory=dict)
    stops: set[JobId] = field(default_factory=set)
    fuse: Fuse = field(default_factory=Fuse)
    _ends: dict[tuple[JobId, str | None, int | None], State] = field(default_factory=dict)

    def add(self, job: Job, steps: tuple[StepWork, ...]) -> None:
        """Record a job; then it is accepted."""

        def write() -> None:
            self.recorded[job.id], self.works[job.id], self.ledgers[job.id] = job, steps, []

        self.fuse.write(write)

    def append(self, job: JobId, events: Sequence[Event]) -> None:
        """Write events in one transaction."""

        def write() -> None:
            for event in events:
                self._hold_end(event)
                self.ledgers[job].append(event)

        self.fuse.write(write)

    def read(self, job: JobId) -> Ledger:
        """Read a job from its ledger."""
        return fold(self.recorded[job], self.ledgers[job])

    def _hold_end(self, event: Event) -> None:
        """I4: what has ended stays as it is, unless it was lost."""
        key = (event.job, event.step, event.attempt)
        before = self._ends.get(key)
        words = f"{key} was {before}, then {event.state}"
        demand(before in {None, State.LOST, event.state}, "I4", words)
        number = len(self.ledgers[event.job]) + 1
        demand(event.seq == number, "I4", f"line {number} of {event.job} says {event.seq}")
        if event.state.ended:
            self._ends[key] = event.state
