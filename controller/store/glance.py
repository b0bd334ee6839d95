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

    Raises:
        StateError: a row does not hold a job of a target.
    """
    runs: dict[RunId, list[Glance]] = {}
    try:
        for row in rows:
            job = _DECODER.decode(row)
            runs.setdefault(job.run, []).append(job)
    except msgspec.MsgspecError as error:
        raise StateError(
            f"cannot read a job from the state: {error}",
            hint="restore the state folder from a backup",
        ) from error
    return tuple(_sum(jobs) for jobs in reversed(runs.values()))


def _sum(jobs: list[Glance]) -> TargetRun:
    first = jobs[0]
    ended = all(job.state.ended for job in jobs)
    return TargetRun(
        run=first.run,
        target=first.target,
        created_at=first.created_at,
        trigger=first.trigger,
        cause=first.cause,
        commits=tuple(dict.fromkeys(job.commit for job in jobs if job.commit is not None)),
        config_commit=first.config_commit,
        states=Counter(job.state for job in jobs),
        servers=tuple(sorted(job.server for job in jobs)),
        started_at=min((job.started_at for job in jobs if job.started_at), default=None),
        finished_at=max((job.finished_at for job in jobs if job.finished_at), default=None)
        if ended
        else None,
    )
