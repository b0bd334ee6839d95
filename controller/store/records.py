"""Applied records in SQL, as they are and as they were.

Built by `shelves`; calls the writer, the reader and the history.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select

from controller.clock import Clock
from controller.model.applied import Applied
from controller.store.history import recall, remember
from controller.store.past import Kind, of_forgotten, of_record
from controller.store.reader import Reader
from controller.store.rows import decode, encode
from controller.store.tables import RECORDS
from controller.store.upsert import upsert
from controller.store.writer import Writer

_ALL = select(RECORDS.c.data).order_by(RECORDS.c.target, RECORDS.c.server)
_PUT = upsert(RECORDS, keys=("target", "server"), set_=("data",))
_FORGET = delete(RECORDS).where(
    RECORDS.c.target == bindparam("its_target"), RECORDS.c.server == bindparam("its_server")
)


class SqlRecords:
    """Applied records by (target, server)."""

    def __init__(self, writer: Writer, reader: Reader, clock: Clock) -> None:
        self._writer = writer
        self._reader = reader
        self._clock = clock

    async def all(self, *, as_of: datetime | None = None) -> Mapping[tuple[str, str], Applied]:
        """Read every record, as it is or as it was at a moment."""
        rows = await self._reader.read(
            lambda c: (
                c.execute(_ALL).scalars().all() if as_of is None else recall(c, Kind.RECORD, as_of)
            )
        )
        records = [decode(Applied, data) for data in rows]
        return {(record.target, record.server): record for record in records}

    async def put(self, records: Iterable[Applied]) -> None:
        """Store records, replacing those of the same pairs."""
        made = [(record, encode(record)) for record in records]
        rows = [
            {"target": record.target, "server": record.server, "data": data}
            for record, data in made
        ]
        entries = [of_record(record, data) for record, data in made]
        now = self._clock.now()

        def write(connection: Connection) -> None:
            connection.execute(_PUT, rows)
            remember(connection, entries, now)

        if rows:
            await self._writer.write(write)

    async def forget(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Delete records; what they were stays in the history."""
        gone = list(pairs)
        rows = [{"its_target": target, "its_server": server} for target, server in gone]
        entries = [of_forgotten(target, server) for target, server in gone]
        now = self._clock.now()

        def write(connection: Connection) -> None:
            connection.execute(_FORGET, rows)
            remember(connection, entries, now)

        if rows:
            await self._writer.write(write)
