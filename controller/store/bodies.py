"""What jobs were recorded with, read back from SQL.

Called by `jobs`; calls nobody. Works lie apart, once for all jobs that share them, and are decoded once for all of them, too.
"""

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import Connection, Select, Text, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import JSON

from controller.model.ids import JobId
from controller.model.job import JobBody
from controller.model.work import Work
from controller.store.rows import BodyRow, decode, whole_body
from controller.store.tables import BODIES, UNDOS, WORKS

_JOBS = bindparam("jobs", type_=Text())
_WANTED: Mapping[str, Select[str]] = {
    "sqlite": select(func.json_each(_JOBS).table_valued("value").c.value),
    "postgresql": select(func.json_array_elements_text(cast(_JOBS, JSON)).column_valued()),
}
"""The members of a JSON list, however many; a list of values has a limit in both databases."""


def _bodies(wanted: Select[str]) -> Select[str, str, str, str]:
    return (
        select(BODIES.c.job, BODIES.c.data, BODIES.c.work, UNDOS.c.work)
        .outerjoin(UNDOS, UNDOS.c.job == BODIES.c.job)
        .where(BODIES.c.job.in_(wanted))
    )


def _works(wanted: Select[str]) -> Select[str, str]:
    return select(WORKS.c.digest, WORKS.c.data).where(
        WORKS.c.digest.in_(select(BODIES.c.work).where(BODIES.c.job.in_(wanted)))
        | WORKS.c.digest.in_(select(UNDOS.c.work).where(UNDOS.c.job.in_(wanted)))
    )


_BODIES = {name: _bodies(wanted) for name, wanted in _WANTED.items()}
_WORKS = {name: _works(wanted) for name, wanted in _WANTED.items()}


def read_bodies(connection: Connection, jobs: Sequence[JobId]) -> Mapping[JobId, JobBody]:
    """Read the bodies of jobs; those that were never recorded are left out."""
    dialect = connection.dialect.name
    named = [
        job for job in jobs if "\x00" not in job
    ]  # no id has one, and PostgreSQL reads none in JSON
    wanted = {"jobs": msgspec.json.encode(named).decode()}
    works = {
        digest: decode(Work, data)
        for digest, data in connection.execute(_WORKS[dialect], wanted).all()
    }
    return {
        JobId(job): whole_body(decode(BodyRow, data), works[work], works.get(undo))
        for job, data, work, undo in connection.execute(_BODIES[dialect], wanted).all()
    }
