"""What jobs were recorded with, read back from SQLite.

Called by `jobs`; calls nobody. Works lie apart, once for all jobs that share them, and are decoded once for all of them, too.
"""

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import Connection, bindparam, func, select

from controller.model.ids import JobId
from controller.model.job import JobBody
from controller.model.work import Work
from controller.store.rows import BodyRow, decode, whole_body
from controller.store.tables import BODIES, UNDOS, WORKS

_WANTED = select(func.json_each(bindparam("jobs")).table_valued("value").c.value)
_BODIES = (
    select(BODIES.c.job, BODIES.c.data, BODIES.c.work, UNDOS.c.work)
    .outerjoin(UNDOS, UNDOS.c.job == BODIES.c.job)
    .where(BODIES.c.job.in_(_WANTED))
)
_WORKS = select(WORKS.c.digest, WORKS.c.data).where(
    WORKS.c.digest.in_(select(BODIES.c.work).where(BODIES.c.job.in_(_WANTED)))
    | WORKS.c.digest.in_(select(UNDOS.c.work).where(UNDOS.c.job.in_(_WANTED)))
)


def read_bodies(connection: Connection, jobs: Sequence[JobId]) -> Mapping[JobId, JobBody]:
    """Read the bodies of jobs; those that were never recorded are left out."""
    wanted = {"jobs": msgspec.json.encode(jobs).decode()}
    works = {
        digest: decode(Work, data) for digest, data in connection.execute(_WORKS, wanted).all()
    }
    return {
        JobId(job): whole_body(decode(BodyRow, data), works[work], works.get(undo))
        for job, data, work, undo in connection.execute(_BODIES, wanted).all()
    }
