"""What the loop counts of itself, for `/metrics`: plain numbers that only grow, and a few that stand for now.

Filled by the worker and the scheduler of this process; rendered by the API.
"""

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Final

BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds of the classes of a histogram, in seconds; one more class holds what is longer."""


@dataclass(slots=True)
class Histogram:
    """Durations by class; `classes` has one more than `BOUNDS`."""

    classes: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self.classes)

    def add(self, seconds: float) -> None:
        """Count one."""
        self.classes[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds


@dataclass(slots=True)
class Counts:
    """Numbers of one process.

    `reconciled` holds durations by (kind, outcome); outcomes are "done", "after", and the reference of an error. `lag` is how
    late the loop of the process last woke up, in seconds; `busy` how many keys are in work.
    """

    reconciled: dict[tuple[str, str], Histogram] = field(default_factory=dict)
    fired: dict[str, int] = field(default_factory=dict)
    """Jobs recorded by the loop, by what caused them."""
    lag: float = 0.0
    busy: int = 0
    generations: int = 0

    def note(self, kind: str, outcome: str, seconds: float) -> None:
        """Count one reconciled key."""
        self.reconciled.setdefault((kind, outcome), Histogram()).add(seconds)

    def fire(self, cause: str, jobs: int) -> None:
        """Count jobs that were recorded."""
        self.fired[cause] = self.fired.get(cause, 0) + jobs
