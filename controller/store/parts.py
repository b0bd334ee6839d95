"""Heartbeats of the parts of serving controllers in the database.

Built by `shelves`; calls the writer and the reader.
"""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, bindparam, delete, select

from controller.model.serving import Part
from controller.store import bounds
from controller.store.reader import Reader
from controller.store.rows import decode, encode, stamp
from controller.store.tables import PARTS
from controller.store.upsert import upsert
from controller.store.writer import Writer

_ALL: Final = select(PARTS.c.data)
_BEAT: Final = upsert(PARTS, keys=("name", "instance"), set_=("seen_at", "data"))
_SILENT: Final = delete(PARTS).where(PARTS.c.seen_at < bindparam("before"))
_BEYOND: Final = delete(PARTS).where(
    PARTS.c.seen_at
    < select(PARTS.c.seen_at)
    .order_by(PARTS.c.seen_at.desc())
    .limit(1)
    .offset(bindparam("kept"))
    .scalar_subquery()
)


class SqlParts:
    """Heartbeats of parts."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def beat(self, part: Part) -> None:
        """Store a heartbeat, replacing that of the same name and instance; who has been silent for a day goes."""
        row = {
            "name": part.name,
            "instance": part.instance,
            "seen_at": stamp(part.seen_at),
            "data": encode(part),
        }
        silent = {"before": stamp(part.seen_at - bounds.SILENT)}

        def write(connection: Connection) -> None:
            connection.execute(_BEAT, row)
            connection.execute(_SILENT, silent)
            connection.execute(_BEYOND, {"kept": bounds.PARTS - 1})

        await self._writer.write(write)

    async def all(self) -> tuple[Part, ...]:
        """List them, by name, the newest heartbeat of a name first."""
        rows = await self._reader.read(lambda c: c.execute(_ALL).scalars().all())
        return newest_first(decode(Part, data) for data in rows)


def newest_first(parts: Iterable[Part]) -> tuple[Part, ...]:
    """Put parts in the order of their names, and of one name the newest heartbeat first."""
    newest = sorted(parts, key=lambda part: (part.seen_at, part.instance), reverse=True)
    return tuple(sorted(newest, key=lambda part: part.name))
