"""Due times of schedules in the database: a row for each, so that none fires twice.

Built by `shelves`; calls the writer and the reader.
"""

from typing import Final

from sqlalchemy import Connection, bindparam, delete, select

from controller.model.serving import Due
from controller.store import bounds
from controller.store.reader import Reader
from controller.store.rows import decode, encode, stamp
from controller.store.tables import DUES
from controller.store.upsert import upsert
from controller.store.writer import Writer

_ITS: Final = DUES.c.target == bindparam("its_target")
_LIST: Final = select(DUES.c.data).where(_ITS).order_by(DUES.c.due.desc()).limit(bindparam("most"))
_CLAIM: Final = upsert(DUES, keys=("target", "due"), set_=())
_EDGE: Final = (
    select(DUES.c.due).where(_ITS).order_by(DUES.c.due.desc()).limit(1).offset(bindparam("kept"))
)
_BEYOND: Final = delete(DUES).where(_ITS, DUES.c.due < bindparam("edge"))


class SqlDues:
    """Due times of schedules."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def claim(self, due: Due) -> bool:
        """Record what becomes of a due time; false when it was recorded before, or is older than all that are kept."""
        row = {"target": due.target, "due": stamp(due.due), "data": encode(due)}

        def write(connection: Connection) -> bool:
            its = {"its_target": due.target, "kept": bounds.DUES - 1}
            edge = connection.execute(_EDGE, its).scalar()
            if edge is not None and stamp(due.due) <= edge:
                return False
            claimed = connection.execute(_CLAIM, row).rowcount > 0
            edge = connection.execute(_EDGE, its).scalar()
            if edge is not None:
                connection.execute(_BEYOND, its | {"edge": edge})
            return claimed

        return await self._writer.write(write)

    async def last(self, target: str) -> Due | None:
        """Give the latest due time of a target that is recorded."""
        found = await self.list(target, limit=1)
        return found[0] if found else None

    async def list(self, target: str, *, limit: int = 20) -> tuple[Due, ...]:
        """List due times of a target, the latest first."""
        values = {"its_target": target, "most": limit}
        rows = await self._reader.read(lambda c: c.execute(_LIST, values).scalars().all())
        return tuple(decode(Due, data) for data in rows)
