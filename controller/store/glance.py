"""Jobs of a target summed up by run, from as little of each row as that needs.

Called by `jobs` and by its twin in memory. Pure: rows in, sums out.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

import msgspec

from controller.errors import StateError
from controller.model.ids import RunId, Sha
from controller.model.job import State, Trigger
from controller.model.past import TargetRun


class Glance(msgspec.Struct, frozen=True, kw_only=True):
    """What a sum needs of a job; its steps, the most of a row, are passed over unread."""

    run: RunId
    target: str
    server: str
    state: State
    trigger: Trigger = Trigger.INPUTS
    cause: str = ""
    commit: Sha | None = None
    config_commit: Sha | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None


_DECODER = msgspec.json.Decoder(Glance)


def target_runs(rows: Iterable[str]) -> tuple[TargetRun, ...]:
    """Sum up jobs of one target, given oldest first, by their runs; the newest run comes first.

    Rows are taken one at a time: those of a large fleet would not fit into memory together.

    Raises:
        StateError: a row does not hold a job of a target.
    """
    sums: dict[RunId, _Sum] = {}
    try:
        for row in rows:
            job = _DECODER.decode(row)
            if job.run not in sums:
                sums[job.run] = _Sum(job)
            sums[job.run].add(job)
    except msgspec.MsgspecError as error:
        raise StateError(
            f"cannot read a job from the state: {error}",
            hint="restore the state folder from a backup",
        ) from error
    return tuple(one.made() for one in reversed(sums.values()))


class _Sum:
    """The jobs of one run, as far as they were read."""

    def __init__(self, first: Glance) -> None:
        self._first = first
        self._states: Counter[State] = Counter()
        self._commits: dict[Sha, None] = {}
        self._servers: list[str] = []
        self._started: datetime | None = None
        self._finished: datetime | None = None

    def add(self, job: Glance) -> None:
        """Count a job in."""
        self._states[job.state] += 1
        self._servers.append(job.server)
        if job.commit is not None:
            self._commits[job.commit] = None
        if job.started_at is not None:
            self._started = min(job.started_at, self._started or job.started_at)
        if job.finished_at is not None:
            self._finished = max(job.finished_at, self._finished or job.finished_at)

    def made(self) -> TargetRun:
        """Give the sum."""
        first = self._first
        return TargetRun(
            run=first.run,
            target=first.target,
            created_at=first.created_at,
            trigger=first.trigger,
            cause=first.cause,
            commits=tuple(self._commits),
            config_commit=first.config_commit,
            states=self._states,
            servers=tuple(sorted(self._servers)),
            started_at=self._started,
            finished_at=self._finished if all(state.ended for state in self._states) else None,
        )
