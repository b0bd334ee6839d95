"""How much is kept of what is past: the limits, and how the oldest settled runs go when there are too many.

Called by `runs` inside the transaction that records a further run, and by `cleaning`; `history` and `standings` keep to the limits here. Runs with
a job that has not ended, or is lost, are never taken. What is in the logs stays; output and artifacts of dropped jobs are
swept by `jobs`.
"""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, Select, delete, func, select

from controller.store.tables import BODIES, JOBS, RUNS, UNDOS, UNSETTLED, WORKS

KEPT_JOBS: Final = 200_000
"""Jobs that are kept, counted by their positions."""
KEPT_RUNS: Final = 50_000
"""Runs that are kept, counted by their positions."""
KEPT_CHANGES: Final = 100
"""Rows of history of one record, server or repo; the one in force is always among them."""
KEPT_BYTES: Final = 256 * 1024 * 1024
"""Bytes of history of them all, looked at every `STEP` rows; what is in force stays whatever it weighs."""
STEP: Final = 500
"""Rows of history between two looks at its bytes."""
KEPT_FACTS: Final[Mapping[str, int]] = {"approval": 100, "ignore": 20_000}
"""Facts of a kind that one target has at most: the oldest goes, which never lets anything run that would not have run.
An old approval is of a digest long gone, and drift that is no longer ignored is shown. Of suspensions and pins there is one."""

_NEWEST_JOB: Final = select(func.max(JOBS.c.position))
_NEWEST_RUN: Final = select(func.max(RUNS.c.position))
_UNSETTLED_RUNS: Final = select(JOBS.c.run).where(JOBS.c.state.in_(UNSETTLED))
_UNUSED_WORKS: Final = delete(WORKS).where(
    WORKS.c.digest.not_in(select(BODIES.c.work)), WORKS.c.digest.not_in(select(UNDOS.c.work))
)


def drop_oldest(connection: Connection) -> bool:
    """Delete the runs that are beyond what is kept, with their jobs, ledgers and works; say whether there were any."""
    last_job = (connection.execute(_NEWEST_JOB).scalar() or 0) - KEPT_JOBS
    last_run = (connection.execute(_NEWEST_RUN).scalar() or 0) - KEPT_RUNS
    if last_job <= 0 and last_run <= 0:
        return False
    old = select(JOBS.c.run).where(JOBS.c.position <= last_job)
    victims = delete(RUNS).where(
        (RUNS.c.position <= last_run) | RUNS.c.id.in_(old), RUNS.c.id.not_in(_UNSETTLED_RUNS)
    )
    if not connection.execute(victims).rowcount:
        return False
    drop_unused_works(connection)
    return True


def drop_unused_works(connection: Connection) -> None:
    """Delete the works that no job has any more."""
    connection.execute(_UNUSED_WORKS)


def unsettled_runs() -> Select[tuple[str]]:
    """Give the query for the runs that are never deleted: those with a job that has not ended, or is lost."""
    return _UNSETTLED_RUNS
