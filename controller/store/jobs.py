"""Jobs and their ledgers on SQLite.

Built by `sqlite`; calls the writer and the reader.
"""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import (
    Connection,
    Row as Found,
    Select,
    bindparam,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from controller.errors import ControllerError
from controller.model.ids import JobId, RunId
from controller.model.job import Event, Job, JobBody, State
from controller.model.past import TargetRun
from controller.store.bodies import read_bodies
from controller.store.glance import target_runs
from controller.store.laws import check_events, has_ended, seq_taken, unknown_job
from controller.store.reader import Reader
from controller.store.rows import decode, encode, job_row, stored_job
from controller.store.tables import EVENTS, JOBS, UNSETTLED
from controller.store.writer import Writer

FOUND = 10
"""Jobs that `find` gives at most."""
AT_ONCE = 500
"""Rows that are held at the same time where many are summed up."""

_JOB = select(JOBS.c.data, JOBS.c.stop_requested)
_GET = _JOB.where(JOBS.c.id == bindparam("id"))
_FIND = (
    _JOB.where(JOBS.c.id >= bindparam("first"), JOBS.c.id < bindparam("past"))
    .order_by(JOBS.c.id)
    .limit(FOUND)
)
_UNSETTLED = or_(*(JOBS.c.state == state for state in UNSETTLED))
_OPEN = _JOB.where(JOBS.c.state.in_(UNSETTLED)).order_by(JOBS.c.position)
_IDS = select(JOBS.c.id)
_STATE = select(JOBS.c.state).where(JOBS.c.id == bindparam("id"))
_CHANGE = (
    update(JOBS)
    .where(JOBS.c.id == bindparam("job_id"), _UNSETTLED)
    .values(
        state=bindparam("new_state"),
        data=bindparam("new_data"),
        stop_requested=JOBS.c.stop_requested | bindparam("stop"),
    )
)
_STOP = update(JOBS).where(JOBS.c.id == bindparam("job_id"), _UNSETTLED).values(stop_requested=True)
_APPEND = insert(EVENTS)
_EVENTS = select(EVENTS.c.data).where(EVENTS.c.job == bindparam("job")).order_by(EVENTS.c.seq)
_ITS_RUNS = (
    select(JOBS.c.run)
    .where(JOBS.c.target == bindparam("target"))
    .group_by(JOBS.c.run)
    .order_by(func.max(JOBS.c.position).desc())
    .limit(bindparam("limit"))
)
_PAST = (
    select(JOBS.c.data)
    .where(JOBS.c.target == bindparam("target"), JOBS.c.run.in_(_ITS_RUNS))
    .order_by(JOBS.c.position)
)


class SqliteJobs:
    """Jobs, what they were recorded with, and their ledgers."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def append(self, job: Job, events: Sequence[Event]) -> None:
        """Append to a job's ledger and store the job as it stands after, in one transaction."""
        check_events(job, events)
        row = job_row(job)
        change = {
            "job_id": job.id,
            "new_state": row["state"],
            "new_data": row["data"],
            "stop": job.stop_requested,
        }
        lines = [{"job": job.id, "seq": event.seq, "data": encode(event)} for event in events]

        def write(connection: Connection) -> None:
            if connection.execute(_CHANGE, change).rowcount == 0:
                raise _cannot_change(connection, job.id)
            if lines:
                _append(connection, job.id, lines)

        await self._writer.write(write)

    async def get(self, job: JobId) -> Job | None:
        """Find a job by its whole id."""
        found = await self._select(_GET, {"id": job})
        return found[0] if found else None

    async def find(self, prefix: str) -> tuple[Job, ...]:
        """Find jobs whose id begins so, at most ten."""
        if not prefix.isascii():
            return ()
        return await self._select(_FIND, {"first": prefix, "past": f"{prefix}\x7f"})

    async def ids(self) -> frozenset[JobId]:
        """List the ids of all jobs that are kept."""
        rows = await self._reader.read(lambda c: c.execute(_IDS).scalars().all())
        return frozenset(JobId(row) for row in rows)

    async def body(self, job: JobId) -> JobBody:
        """Read what a job was recorded with."""
        found = await self.bodies([job])
        if job not in found:
            raise unknown_job(job)
        return found[job]

    async def bodies(self, jobs: Iterable[JobId]) -> Mapping[JobId, JobBody]:
        """Read what these jobs were recorded with; those that were never recorded are left out."""
        wanted = tuple(jobs)
        return await self._reader.read(lambda c: read_bodies(c, wanted))

    async def events(self, job: JobId) -> tuple[Event, ...]:
        """Read a job's ledger in order."""
        rows = await self._reader.read(lambda c: c.execute(_EVENTS, {"job": job}).scalars().all())
        return tuple(decode(Event, data) for data in rows)

    async def open(self) -> tuple[Job, ...]:
        """List every job that has not ended, and every lost one, oldest first."""
        return await self._select(_OPEN, {})

    async def list(
        self,
        *,
        run: RunId | None = None,
        target: str | None = None,
        server: str | None = None,
        limit: int = 50,
    ) -> tuple[Job, ...]:
        """List jobs, newest first."""
        wanted = {"run": run, "target": target, "server": server}
        chosen = {name: value for name, value in wanted.items() if value is not None}
        query = _JOB.where(*(JOBS.c[name] == bindparam(name) for name in chosen))
        query = query.order_by(JOBS.c.position.desc()).limit(bindparam("limit"))
        return await self._select(query, {**chosen, "limit": limit})

    async def past(self, target: str, *, limit: int = 20) -> tuple[TargetRun, ...]:
        """Sum up by run what ran of a target, newest first."""
        values = {"target": target, "limit": limit}
        return await self._reader.read(
            lambda c: target_runs(c.execute(_PAST, values).yield_per(AT_ONCE).scalars())
        )

    async def request_stop(self, job: JobId) -> bool:
        """Record the wish that a job stops; false when it has ended."""

        def write(connection: Connection) -> bool:
            if connection.execute(_STOP, {"job_id": job}).rowcount:
                return True
            if connection.execute(_STATE, {"id": job}).scalar() is None:
                raise unknown_job(job)
            return False

        return await self._writer.write(write)

    async def _select(self, query: Select[str, bool], values: dict[str, object]) -> tuple[Job, ...]:
        return await self._reader.read(lambda c: _jobs(c.execute(query, values).all()))


def _jobs(rows: Iterable[Found[str, bool]]) -> tuple[Job, ...]:
    return tuple(stored_job(data, stop_requested=stop) for data, stop in rows)


def _append(connection: Connection, job: JobId, lines: Sequence[dict[str, object]]) -> None:
    try:
        connection.execute(_APPEND, lines)
    except IntegrityError as error:
        taken = {line["seq"] for line in lines}
        query = select(EVENTS.c.seq).where(EVENTS.c.job == job, EVENTS.c.seq.in_(taken)).limit(1)
        seq = connection.execute(query).scalar()
        raise seq_taken(job, seq or 0) from error


def _cannot_change(connection: Connection, job: JobId) -> ControllerError:
    state = connection.execute(_STATE, {"id": job}).scalar()
    return unknown_job(job) if state is None else has_ended(job, State(state))
