"""What changed, in order, for those who watch, in the database.

Built by `shelves`; calls the writer and the reader. Numbers come from a counter whose row is held until the end of the
transaction, so that whoever has read up to a number never misses a smaller one, whichever process wrote it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from controller.model.serving import News
from controller.store import bounds
from controller.store.reader import Reader
from controller.store.rows import decode, encode
from controller.store.tables import COUNTERS, NEWS
from controller.store.writer import Writer

_COUNTER: Final = COUNTERS.c.name == "news"
_COUNT: Final = (
    update(COUNTERS).where(_COUNTER).values(value=COUNTERS.c.value + bindparam("further"))
)
_COUNTED: Final = select(COUNTERS.c.value).where(_COUNTER)
_APPEND: Final = insert(NEWS)
_BEYOND: Final = delete(NEWS).where(NEWS.c.seq <= bindparam("last"))
_AFTER: Final = (
    select(NEWS.c.data)
    .where(NEWS.c.seq > bindparam("last"))
    .order_by(NEWS.c.seq)
    .limit(bindparam("most"))
)
_ENDS: Final = select(func.min(NEWS.c.seq), func.max(NEWS.c.seq))


class SqlNewsroom:
    """What changed, in order."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def append(
        self, at: datetime, items: Sequence[tuple[str, str, Mapping[str, object]]]
    ) -> int:
        """Store news of (kind, name, data) in order; give the number of the last."""
        made = [News(seq=0, at=at, kind=kind, name=name, data=data) for kind, name, data in items]
        encode(made)

        def write(connection: Connection) -> int:
            connection.execute(_COUNT, {"further": len(made)})
            last = connection.execute(_COUNTED).scalar() or 0
            rows = numbered(made, last - len(made))
            if rows:
                connection.execute(_APPEND, rows)
                connection.execute(_BEYOND, {"last": last - bounds.NEWS})
            return last

        return await self._writer.write(write)

    async def after(self, seq: int, *, limit: int = 500) -> tuple[News, ...]:
        """Give what came after a number, oldest first."""
        values = {"last": seq, "most": limit}
        rows = await self._reader.read(lambda c: c.execute(_AFTER, values).scalars().all())
        return tuple(decode(News, data) for data in rows)

    async def ends(self) -> tuple[int, int]:
        """Give the numbers of the oldest and the newest that are kept; (0, 0) while there is none."""
        oldest, newest = await self._reader.read(lambda c: c.execute(_ENDS).one())
        return oldest or 0, newest or 0


def numbered(made: Sequence[News], last: int) -> list[dict[str, object]]:
    """Give news their numbers, from the one after `last` on."""
    return [
        {"seq": seq, "data": encode(News(seq=seq, at=n.at, kind=n.kind, name=n.name, data=n.data))}
        for seq, n in enumerate(made, start=last + 1)
    ]
