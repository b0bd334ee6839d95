"""What people decided, in SQL.

Built by `shelves`; calls the writer and the reader.
"""

from dataclasses import asdict
from typing import Final

from sqlalchemy import Connection, bindparam, delete, insert, select

from controller.model.standing import Fact, Standing
from controller.store import retention
from controller.store.facts import fact_row, standing_of
from controller.store.reader import Reader
from controller.store.tables import STANDINGS
from controller.store.writer import Writer

_ALL: Final = select(STANDINGS.c.kind, STANDINGS.c.data).order_by(STANDINGS.c.position)
_KIND: Final = (
    STANDINGS.c.kind == bindparam("its_kind"),
    STANDINGS.c.target == bindparam("its_target"),
)
_BEFORE: Final = delete(STANDINGS).where(*_KIND, STANDINGS.c.key == bindparam("its_key"))
_LIFT: Final = _BEFORE.where(STANDINGS.c.data == bindparam("its_data"))
_PUT: Final = insert(STANDINGS)
_BEYOND: Final = delete(STANDINGS).where(
    *_KIND,
    STANDINGS.c.position
    <= select(STANDINGS.c.position)
    .where(*_KIND)
    .order_by(STANDINGS.c.position.desc())
    .limit(1)
    .offset(bindparam("kept"))
    .scalar_subquery(),
)


class SqlStandings:
    """Suspensions, approvals, pins, ignores."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def all(self) -> Standing:
        """Read everything that stands, expired facts included."""
        rows = await self._reader.read(lambda c: c.execute(_ALL).all())
        return standing_of((kind, data) for kind, data in rows)

    async def put(self, fact: Fact) -> None:
        """Store a fact, replacing the one it takes the place of."""
        row = fact_row(fact)
        its = {"its_kind": row.kind, "its_target": row.target, "its_key": row.key}

        def write(connection: Connection) -> None:
            connection.execute(_BEFORE, its)
            connection.execute(_PUT, asdict(row))
            most = retention.KEPT_FACTS.get(row.kind)
            if most is not None:
                connection.execute(_BEYOND, its | {"kept": most})

        await self._writer.write(write)

    async def lift(self, fact: Fact) -> bool:
        """Delete exactly this fact; false when it is gone already, or another has taken its place."""
        row = fact_row(fact)
        values = {
            "its_kind": row.kind,
            "its_target": row.target,
            "its_key": row.key,
            "its_data": row.data,
        }
        return await self._writer.write(lambda c: c.execute(_LIFT, values).rowcount > 0)
