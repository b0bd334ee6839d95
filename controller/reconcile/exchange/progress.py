"""What people are told while they wait.

Told by the rooms of `reconcile`, shown by the faces (`cli`, `api`). Text that came from outside is raw here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from controller.model.job import State


class Stage(StrEnum):
    """Which part of the walk a progress event speaks of."""

    FETCH = "fetch"  # a repo; `subject` is its name
    LOAD = "load"  # declarations
    OBSERVE = "observe"  # a server; `subject` is its name
    SETTLE = "settle"  # work left over from before; `subject` is the job
    JOB = "job"  # a job changed its state; `subject` is the job
    STEP = "step"  # a step changed its state; `subject` is the job
    FILE = "file"  # a file result arrives; `done` and `total` are bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Something happened while people wait; `total` 0 means that nobody knows how much there is."""

    stage: Stage
    subject: str
    message: str = ""
    server: str | None = None
    target: str | None = None
    step: str | None = None
    state: State | None = None
    done: int = 0
    total: int = 0


Listener = Callable[[Progress], None]
"""Takes progress; must be quick and must not raise."""
