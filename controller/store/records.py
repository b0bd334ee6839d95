"""Applied records in SQL, as they are and as they were.

Built by `shelves`; calls the writer, the reader and the history.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from itertools import chain

from sqlalchemy import Connection, bindparam, delete, select

from controller.clock import Clock
from controller.model.applied import Applied
from controller.store.history import recall, remember
from controller.store.outline import by_pair
from controller.store.past import Kind, of_forgotten, of_record
from controller.store.reader import Reader
from controller.store.rows import decode, encode
from controller.store.tables import RECORDS
from controller.store.upsert import upsert
from controller.store.writer import Writer

_ALL = select(RECORDS.c.data).order_by(RECORDS.c.target, RECORDS.c.server)
_GET = select(RECORDS.c.data).where(
    RECORDS.c.target == bindparam("its_target"), RECORDS.c.server == bindparam("its_server")
)
_OF = _ALL.where(RECORDS.c.target == bindparam("its_target"))
_TARGETS = select(RECORDS.c.target).distinct()
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

    async def all(
        self, *, as_of: datetime | None = None, targets: Collection[str] | None = None
    ) -> Mapping[tuple[str, str], Applied]:
        """Read every record, or those of some targets, as it is or as it was at a moment."""

        def read(connection: Connection) -> Mapping[tuple[str, str], Applied]:
            if as_of is not None:
                return by_pair(recall(connection, Kind.RECORD, as_of), targets)
            if targets is None:
                return by_pair(connection.execute(_ALL).scalars())
            rows = (
                connection.execute(_OF, {"its_target": one}).scalars() for one in sorted(targets)
            )
            return by_pair(chain.from_iterable(rows))

        return await self._reader.read(read)

    async def get(self, target: str, server: str) -> Applied | None:
        """Read the record of one pair."""
        pair = {"its_target": target, "its_server": server}
        data = await self._reader.read(lambda c: c.execute(_GET, pair).scalar(), single=True)
        return None if data is None else decode(Applied, data)

    async def targets(self) -> frozenset[str]:
        """Name the targets that have records."""
        return await self._reader.read(lambda c: frozenset(c.execute(_TARGETS).scalars()))

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
