"""Letters that wait to be sent, and the troubles that people were told of, in the database.

Built by `shelves`; calls the writer and the reader.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Select, bindparam, delete, func, select, update

from controller.model.notice import Delivery, Letter, Trouble
from controller.store import bounds
from controller.store.reader import Reader
from controller.store.rows import decode, encode, stamp
from controller.store.tables import LETTERS, TROUBLES
from controller.store.upsert import upsert
from controller.store.writer import Writer

_WAITS: Final = LETTERS.c.state == Delivery.WAITING.value
_POST: Final = upsert(LETTERS, keys=("id",), set_=())
_PUT: Final = (
    update(LETTERS)
    .where(LETTERS.c.id == bindparam("its_id"))
    .values(due=bindparam("new_due"), state=bindparam("new_state"), data=bindparam("new_data"))
)
_COUNT: Final = select(func.count()).select_from(LETTERS)
_OLDEST: Final = select(LETTERS.c.id).order_by(LETTERS.c.created, LETTERS.c.id)
_SETTLED: Final = _OLDEST.where(~_WAITS).limit(bindparam("many"))
_WAITING: Final = _OLDEST.limit(bindparam("many"))
_DUE: Final = (
    select(LETTERS.c.data)
    .where(_WAITS, LETTERS.c.due <= bindparam("now"))
    .order_by(LETTERS.c.due, LETTERS.c.created, LETTERS.c.id)
    .limit(bindparam("many"))
)
_NEXT: Final = select(func.min(LETTERS.c.due)).where(_WAITS)
_LIST: Final = (
    select(LETTERS.c.data)
    .order_by(LETTERS.c.created.desc(), LETTERS.c.id.desc())
    .limit(bindparam("many"))
)
_TROUBLES: Final = select(TROUBLES.c.name, TROUBLES.c.data)
_TROUBLE: Final = upsert(TROUBLES, keys=("name",), set_=("at", "data"))
_OVER: Final = delete(TROUBLES).where(TROUBLES.c.name == bindparam("its_name"))
_TOO_MANY: Final = select(func.count()).select_from(TROUBLES)
_FIRST: Final = (
    select(TROUBLES.c.name).order_by(TROUBLES.c.at, TROUBLES.c.name).limit(bindparam("many"))
)


class SqlOutbox:
    """Letters that wait to be sent, and the troubles that people were told of."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def post(
        self, letters: Iterable[Letter], *, troubles: Mapping[str, Trouble | None]
    ) -> int:
        """Store letters, and by "SUBJECT PROBLEM" what trouble there is now (None: none), in one transaction."""
        rows = [_row(letter) for letter in letters]
        stand = [_trouble_row(name, one) for name, one in troubles.items() if one is not None]
        over = [{"its_name": name} for name, one in troubles.items() if one is None]

        def write(connection: Connection) -> int:
            dropped = 0
            if rows:
                connection.execute(_POST, rows)
                dropped = _drop_letters(connection)
            if stand:
                connection.execute(_TROUBLE, stand)
                _drop_troubles(connection)
            if over:
                connection.execute(_OVER, over)
            return dropped

        return await self._writer.write(write) if rows or stand or over else 0

    async def troubles(self, names: Collection[str] | None = None) -> Mapping[str, Trouble]:
        """Read the troubles that people were told of, or some of them; those that are over for a while, too."""
        query = _TROUBLES if names is None else _TROUBLES.where(TROUBLES.c.name.in_(names))
        rows = await self._reader.read(lambda c: c.execute(query).all(), single=True)
        found = sorted((name, data) for name, data in rows)
        return {name: decode(Trouble, data) for name, data in found}

    async def waiting(self, now: datetime, *, limit: int = 100) -> tuple[Letter, ...]:
        """List letters that are due, the longest due first."""
        return await self._select(_DUE, {"now": stamp(now), "many": limit})

    async def next_due(self) -> datetime | None:
        """Say when the next letter is due; None when none waits."""
        found = await self._reader.read(lambda c: c.execute(_NEXT).scalar(), single=True)
        return None if found is None else datetime.fromisoformat(found)

    async def put(self, letters: Iterable[Letter]) -> None:
        """Replace letters by id; those that were dropped meanwhile stay away."""
        rows = [
            {
                "its_id": letter.id,
                "new_due": stamp(letter.due),
                "new_state": letter.state.value,
                "new_data": encode(letter),
            }
            for letter in letters
        ]
        if rows:
            await self._writer.run(_PUT, rows)

    async def list(self, *, limit: int = 50) -> tuple[Letter, ...]:
        """List letters, newest first."""
        return await self._select(_LIST, {"many": limit})

    async def _select(self, query: Select[str], values: dict[str, object]) -> tuple[Letter, ...]:
        rows = await self._reader.read(
            lambda c: c.execute(query, values).scalars().all(), single=True
        )
        return tuple(decode(Letter, data) for data in rows)


def _row(letter: Letter) -> dict[str, object]:
    return {
        "id": letter.id,
        "created": stamp(letter.created_at),
        "due": stamp(letter.due),
        "state": letter.state.value,
        "data": encode(letter),
    }


def _trouble_row(name: str, trouble: Trouble) -> dict[str, object]:
    return {"name": name, "at": stamp(trouble.since), "data": encode(trouble)}


def _drop_letters(connection: Connection) -> int:
    """Keep to the bound: the oldest that are settled go first, then the oldest that wait; count the latter."""
    dropped = 0
    for oldest in (_SETTLED, _WAITING):
        many = (connection.execute(_COUNT).scalar() or 0) - bounds.LETTERS
        dropped = _drop_oldest(connection, oldest, many) if many > 0 else 0
    return dropped


def _drop_oldest(connection: Connection, oldest: Select[str], many: int) -> int:
    names = connection.execute(oldest, {"many": many}).scalars().all()
    if names:
        rows = [{"its_id": name} for name in names]
        connection.execute(delete(LETTERS).where(LETTERS.c.id == bindparam("its_id")), rows)
    return len(names)


def _drop_troubles(connection: Connection) -> None:
    many = (connection.execute(_TOO_MANY).scalar() or 0) - bounds.TROUBLES
    if many > 0:
        names = connection.execute(_FIRST, {"many": many}).scalars().all()
        connection.execute(_OVER, [{"its_name": name} for name in names])
