"""Jobs and their ledgers in SQL.

Built by `shelves`; calls the writer and the reader.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime

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
from controller.model.job import Archived, Event, Job, JobBody, State
from controller.model.past import TargetRun
from controller.model.wishes import Wishes
from controller.store.bodies import read_bodies
from controller.store.glance import target_runs
from controller.store.inside import FlagIn, TextIn
from controller.store.laws import (
    check_events,
    has_ended,
    has_not_ended,
    may_change,
    seq_taken,
    unknown_job,
)
from controller.store.reader import Reader
from controller.store.rows import Beside, decode, encode, job_row, moment_text, stored_job
from controller.store.tables import EVENTS, JOBS, UNSETTLED
from controller.store.writer import Writer

Wanted = Select[str, bool, str | None, str | None]
Stored = Found[str, bool, str | None, str | None]

FOUND = 10
"""Jobs that `find` gives at most."""
AT_ONCE = 500
"""Rows that are held at the same time where many are summed up."""

_JOB = select(JOBS.c.data, JOBS.c.stop_requested, JOBS.c.wishes, JOBS.c.archived)
_GET = _JOB.where(JOBS.c.id == bindparam("id"))
_FIND = (
    _JOB.where(JOBS.c.id >= bindparam("first"), JOBS.c.id < bindparam("past"))
    .order_by(JOBS.c.id)
    .limit(FOUND)
)
_UNSETTLED = or_(*(JOBS.c.state == state for state in UNSETTLED))
_OPEN = _JOB.where(JOBS.c.state.in_(UNSETTLED)).order_by(JOBS.c.position)
_IDS = select(JOBS.c.id)
_THAT = JOBS.alias("that")
_POSITION = select(_THAT.c.position).where(_THAT.c.id == bindparam("before"))
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
_WISHES = select(JOBS.c.wishes).where(JOBS.c.id == bindparam("id"), _UNSETTLED)
_WISH = update(JOBS).where(JOBS.c.id == bindparam("job_id")).values(wishes=bindparam("text"))
_ARCHIVE = update(JOBS).where(JOBS.c.id == bindparam("job_id")).values(archived=bindparam("text"))
_TO_ARCHIVE = (
    _JOB.where(
        JOBS.c.archived.is_(None),
        JOBS.c.state.not_in(UNSETTLED),
        func.substr(TextIn(JOBS.c.data, "finished_at"), 1, 19) < bindparam("before"),
    )
    .order_by(JOBS.c.position)
    .limit(bindparam("limit"))
)
_TO_CLEAR = (
    _JOB.where(JOBS.c.archived.is_not(None), FlagIn(JOBS.c.archived, "cleared").is_(False))
    .order_by(JOBS.c.position)
    .limit(bindparam("limit"))
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


class SqlJobs:
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
        if not prefix.isascii() or "\x00" in prefix:
            return ()
        return await self._select(_FIND, {"first": prefix, "past": f"{prefix}\x7f"})

    async def ids(self) -> frozenset[JobId]:
        """List the ids of all jobs that are kept."""
        rows = await self._reader.read(lambda c: c.execute(_IDS).scalars().all(), single=True)
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
        rows = await self._reader.read(
            lambda c: c.execute(_EVENTS, {"job": job}).scalars().all(), single=True
        )
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
        archived: bool | None = None,
        states: Collection[State] | None = None,
        before: JobId | None = None,
        limit: int = 50,
    ) -> tuple[Job, ...]:
        """List jobs, newest first; with `before` only those that were recorded before that one."""
        wanted = {"run": run, "target": target, "server": server}
        chosen: dict[str, object] = {
            name: value for name, value in wanted.items() if value is not None
        }
        query = _JOB.where(*(JOBS.c[name] == bindparam(name) for name in chosen))
        if archived is not None:
            query = query.where(JOBS.c.archived.is_not(None) == archived)
        if states is not None:
            query = query.where(JOBS.c.state.in_([state.value for state in states]))
        if before is not None:
            chosen["before"] = before
            query = query.where(JOBS.c.position < _POSITION.scalar_subquery())
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

    async def wish(self, job: JobId, change: Callable[[Wishes], Wishes]) -> bool:
        """Change what is wished of a job, in one transaction; false when it has ended."""

        def write(connection: Connection) -> bool:
            found = connection.execute(_WISHES, {"id": job}).one_or_none()
            if found is None:
                if connection.execute(_STATE, {"id": job}).scalar() is None:
                    raise unknown_job(job)
                return False
            before = Wishes() if found.wishes is None else decode(Wishes, found.wishes)
            connection.execute(_WISH, {"job_id": job, "text": encode(change(before))})
            return True

        return await self._writer.write(write)

    async def archive(self, job: JobId, archived: Archived) -> None:
        """Record where the output of an ended job lies."""
        row = {"job_id": job, "text": encode(archived)}

        def write(connection: Connection) -> None:
            state = connection.execute(_STATE, {"id": job}).scalar()
            if state is None:
                raise unknown_job(job)
            if may_change(State(state)):
                raise has_not_ended(job, State(state))
            connection.execute(_ARCHIVE, row)

        await self._writer.write(write)

    async def to_archive(self, before: datetime, *, limit: int) -> tuple[Job, ...]:
        """List jobs that ended before a moment and are not archived, oldest first."""
        return await self._select(_TO_ARCHIVE, {"before": moment_text(before), "limit": limit})

    async def to_clear(self, *, limit: int) -> tuple[Job, ...]:
        """List archived jobs whose output may still lie where it was."""
        return await self._select(_TO_CLEAR, {"limit": limit})

    async def _select(self, query: Wanted, values: dict[str, object]) -> tuple[Job, ...]:
        return await self._reader.read(lambda c: _jobs(c.execute(query, values).all()), single=True)


def _jobs(rows: Iterable[Stored]) -> tuple[Job, ...]:
    return tuple(
        stored_job(data, Beside(stop_requested=stop, wishes=wishes, archived=archived))
        for data, stop, wishes, archived in rows
    )


def _append(connection: Connection, job: JobId, lines: Sequence[dict[str, object]]) -> None:
    try:
        # One row as such: through the way for many it costs PostgreSQL a round trip more.
        connection.execute(_APPEND, lines[0] if len(lines) == 1 else lines)
    except IntegrityError as error:
        raise seq_taken(job, *(line["seq"] for line in lines)) from error


def _cannot_change(connection: Connection, job: JobId) -> ControllerError:
    state = connection.execute(_STATE, {"id": job}).scalar()
    return unknown_job(job) if state is None else has_ended(job, State(state))
