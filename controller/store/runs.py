"""Runs in SQL.

Built by `shelves`; calls the writer and the reader.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from controller.errors import IllegalTransitionError, NotFoundError
from controller.model.ids import RunId
from controller.model.job import Job, JobBody, Run
from controller.model.work import Work
from controller.store.laws import already_recorded, check_fan_out
from controller.store.reader import Reader
from controller.store.retention import drop_oldest
from controller.store.rows import Row, body_row, decode, encode, job_row
from controller.store.tables import BODIES, JOBS, RUNS, UNDOS, WORKS
from controller.store.upsert import upsert
from controller.store.writer import Writer

_EARLIER = RUNS.alias("earlier")
_INSERT_RUN = insert(RUNS).values(
    id=bindparam("id"),
    data=bindparam("data"),
    position=select(func.coalesce(func.max(_EARLIER.c.position), 0) + 1).scalar_subquery(),
)
"""The position counts without gaps, which a sequence of PostgreSQL would leave."""
_INSERT_JOBS = insert(JOBS)
_INSERT_BODIES = insert(BODIES)
_INSERT_UNDOS = insert(UNDOS)
_INSERT_WORKS = upsert(WORKS, keys=("digest",), set_=())
_KNOWN_RUN = select(func.count()).select_from(RUNS).where(RUNS.c.id == bindparam("id"))
_GET = select(RUNS.c.data).where(RUNS.c.id == bindparam("id"))
_LIST = select(RUNS.c.data).order_by(RUNS.c.position.desc()).limit(bindparam("limit"))
_SERIAL = select(func.max(RUNS.c.position))
_FINISH = update(RUNS).where(RUNS.c.id == bindparam("run_id")).values(data=bindparam("run_data"))
FEW: Final = 50
"""Jobs that are written out at once; of more that is done in a thread, as it takes long."""


class SqlRuns:
    """Runs and their jobs."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def add(self, run: Run, jobs: Sequence[tuple[Job, JobBody]]) -> bool:
        """Record a run with all its jobs in one transaction; say whether old runs were dropped to make room."""
        check_fan_out(run, jobs)
        large = len(jobs) > FEW
        rows = await asyncio.to_thread(_FanOut, run, jobs) if large else _FanOut(run, jobs)
        return await self._writer.write(rows.insert)

    async def get(self, run: RunId) -> Run | None:
        """Find a run by its whole id."""
        data = await self._reader.read(lambda c: c.execute(_GET, {"id": run}).scalar(), single=True)
        return None if data is None else decode(Run, data)

    async def list(self, *, limit: int = 50) -> tuple[Run, ...]:
        """List runs, newest first."""
        values = {"limit": limit}
        return await self._reader.read(
            lambda c: tuple(decode(Run, data) for data in c.execute(_LIST, values).scalars())
        )

    async def serial(self) -> int:
        """Count the runs that were ever recorded; the newest is never dropped, so its position is the count."""
        return await self._reader.read(lambda c: c.execute(_SERIAL).scalar() or 0, single=True)

    async def finish(self, run: Run) -> None:
        """Record the end of a run."""
        row = {"run_id": run.id, "run_data": encode(run)}

        def write(connection: Connection) -> None:
            if connection.execute(_FINISH, row).rowcount == 0:
                raise NotFoundError(f"cannot finish run {run.id}: it was never recorded")

        await self._writer.write(write)


class _FanOut:
    """The rows of one run, made before the writer is asked, so that its thread only writes."""

    def __init__(self, run: Run, jobs: Sequence[tuple[Job, JobBody]]) -> None:
        self.run = run
        self.run_row: Row = {"id": run.id, "data": encode(run)}
        self.jobs: list[Row] = []
        self.bodies: list[Row] = []
        self.undos: list[Row] = []
        self.works: dict[str, str] = {}
        self._digests: dict[int, str] = {}
        for job, body in jobs:
            self.jobs.append(job_row(job))
            self.bodies.append(
                {"job": job.id, "work": self._named(body.work), "data": encode(body_row(body))}
            )
            if body.undo is not None:
                self.undos.append({"job": job.id, "work": self._named(body.undo)})

    def _named(self, work: Work) -> str:
        """Name a work by its text; equal work is one object, so it is encoded once."""
        known = self._digests.get(id(work))
        if known is None:
            data = encode(work)
            known = hashlib.sha256(data.encode()).hexdigest()
            self._digests[id(work)] = known
            self.works[known] = data
        return known

    def insert(self, connection: Connection) -> bool:
        """Write the rows; say whether old ones were dropped."""
        if connection.execute(_KNOWN_RUN, {"id": self.run.id}).scalar_one():
            raise already_recorded("run", self.run.id)
        connection.execute(_INSERT_RUN, self.run_row)
        if self.jobs:
            self._insert_jobs(connection)
        return drop_oldest(connection)

    def _insert_jobs(self, connection: Connection) -> None:
        try:
            connection.execute(_INSERT_JOBS, self.jobs)
        except IntegrityError as error:
            raise IllegalTransitionError(
                f"cannot record run {self.run.id}: one of its jobs is recorded already"
            ) from error
        connection.execute(
            _INSERT_WORKS, [{"digest": name, "data": data} for name, data in self.works.items()]
        )
        connection.execute(_INSERT_BODIES, self.bodies)
        if self.undos:
            connection.execute(_INSERT_UNDOS, self.undos)
