"""Deleting by age in the database.

Built by `shelves`; calls the writer and the reader. Each call takes the oldest first, a bounded number at a time.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import (
    Connection,
    Delete,
    ScalarSelect,
    bindparam,
    delete,
    func,
    select,
    tuple_,
)

from controller.model.ids import RunId
from controller.model.job import Run
from controller.model.notice import Delivery
from controller.store.past import instant
from controller.store.reader import Reader
from controller.store.retention import drop_unused_works, unsettled_runs
from controller.store.rows import decode, stamp
from controller.store.tables import DUES, HISTORY, LETTERS, RUNS
from controller.store.writer import Writer

_NEWEST: Final[ScalarSelect[int]] = select(func.max(RUNS.c.position)).scalar_subquery()
_MAY_GO: Final = (RUNS.c.id.not_in(unsettled_runs()), RUNS.c.position < _NEWEST)
_OLDEST: Final = (
    select(RUNS.c.data, _NEWEST - RUNS.c.position)
    .where(*_MAY_GO)
    .order_by(RUNS.c.position)
    .limit(bindparam("most"))
)
_DROP: Final = delete(RUNS).where(RUNS.c.id.in_(bindparam("ids", expanding=True)), *_MAY_GO)
_NEWER: Final = HISTORY.alias("newer")
_REPLACED: Final = (
    select(_NEWER.c.position)
    .where(
        _NEWER.c.kind == HISTORY.c.kind,
        _NEWER.c.name == HISTORY.c.name,
        _NEWER.c.server == HISTORY.c.server,
        _NEWER.c.position > HISTORY.c.position,
        _NEWER.c.at <= bindparam("before"),
    )
    .exists()
)
"""What was replaced later was in force until then, and somebody may still ask for that time."""
_PAST: Final = delete(HISTORY).where(
    HISTORY.c.position.in_(
        select(HISTORY.c.position)
        .where(HISTORY.c.at <= bindparam("before"), HISTORY.c.data.is_(None) | _REPLACED)
        .order_by(HISTORY.c.position)
        .limit(bindparam("most"))
    )
)
_SETTLED: Final = delete(LETTERS).where(
    LETTERS.c.id.in_(
        select(LETTERS.c.id)
        .where(LETTERS.c.created < bindparam("before"), LETTERS.c.state != Delivery.WAITING.value)
        .order_by(LETTERS.c.created)
        .limit(bindparam("most"))
    )
)
_LATER: Final = DUES.alias("later")
_OVER: Final = delete(DUES).where(
    tuple_(DUES.c.target, DUES.c.due).in_(
        select(DUES.c.target, DUES.c.due)
        .where(
            DUES.c.due < bindparam("before"),
            select(_LATER.c.due)
            .where(_LATER.c.target == DUES.c.target, _LATER.c.due > DUES.c.due)
            .exists(),
        )
        .order_by(DUES.c.due)
        .limit(bindparam("most"))
    )
)


class SqlCleaning:
    """Deletes what is old."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def old_runs(self, before: datetime, *, keep: int, limit: int) -> tuple[RunId, ...]:
        """List runs that ended before a moment, or are beyond the newest `keep`, oldest first."""
        rows = await self._reader.read(lambda c: c.execute(_OLDEST, {"most": limit}).all())
        runs = ((decode(Run, data), behind) for data, behind in rows)
        return tuple(run.id for run, behind in runs if is_old(run, before) or behind >= keep)

    async def drop_runs(self, runs: Sequence[RunId]) -> int:
        """Delete runs with their jobs and ledgers; those that may not be deleted stay. Give how many went."""

        def write(connection: Connection) -> int:
            gone = connection.execute(_DROP, {"ids": list(runs)}).rowcount
            if gone:
                drop_unused_works(connection)
            return gone

        return await self._writer.write(write)

    async def drop_history(self, before: datetime, *, limit: int) -> int:
        """Delete what was in force before a moment and is not any more; give how many went."""
        return await self._drop(_PAST, before=instant(before), most=limit)

    async def drop_letters(self, before: datetime, *, limit: int) -> int:
        """Delete letters that were written before a moment and do not wait any more; give how many went."""
        return await self._drop(_SETTLED, before=stamp(before), most=limit)

    async def drop_dues(self, before: datetime, *, limit: int) -> int:
        """Delete due times before a moment, but never the latest of a target; give how many went."""
        return await self._drop(_OVER, before=stamp(before), most=limit)

    async def _drop(self, statement: Delete, **values: object) -> int:
        return await self._writer.write(lambda c: c.execute(statement, values).rowcount)


def is_old(run: Run, before: datetime) -> bool:
    """Say whether a run ended before a moment; one without an end was never driven, and is as old as it is."""
    return (run.finished_at or run.created_at) < before
