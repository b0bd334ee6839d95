"""Applied records on SQLite.

Built by `sqlite`; calls the writer and the reader.
"""

from collections.abc import Iterable, Mapping

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert

from controller.model.applied import Applied
from controller.store.reader import Reader
from controller.store.rows import decode, encode
from controller.store.tables import RECORDS
from controller.store.writer import Writer

_ALL = select(RECORDS.c.data).order_by(RECORDS.c.target, RECORDS.c.server)
_INSERT = insert(RECORDS)
_PUT = _INSERT.on_conflict_do_update(
    index_elements=[RECORDS.c.target, RECORDS.c.server], set_={"data": _INSERT.excluded.data}
)
_FORGET = delete(RECORDS).where(
    RECORDS.c.target == bindparam("its_target"), RECORDS.c.server == bindparam("its_server")
)


class SqliteRecords:
    """Applied records by (target, server)."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def all(self) -> Mapping[tuple[str, str], Applied]:
        """Read every record."""
        rows = await self._reader.read(lambda c: c.execute(_ALL).scalars().all())
        records = [decode(Applied, data) for data in rows]
        return {(record.target, record.server): record for record in records}

    async def put(self, records: Iterable[Applied]) -> None:
        """Store records, replacing those of the same pairs."""
        rows = [
            {"target": record.target, "server": record.server, "data": encode(record)}
            for record in records
        ]
        if rows:
            await self._writer.run(_PUT, rows)

    async def forget(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Delete records."""
        rows = [{"its_target": target, "its_server": server} for target, server in pairs]
        if rows:
            await self._writer.run(_FORGET, rows)
