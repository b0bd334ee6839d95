"""Single values that must outlive the process, by name, in the database.

Built by `shelves`; calls the writer and the reader.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy import Connection, bindparam, delete, func, select, update

from controller.errors import RefusedError
from controller.store import bounds
from controller.store.reader import Reader
from controller.store.tables import MARKS
from controller.store.upsert import upsert
from controller.store.writer import Writer

_ITS: Final = MARKS.c.name == bindparam("its_name")
_GET: Final = select(MARKS.c.value).where(_ITS)
_ALL: Final = select(MARKS.c.name, MARKS.c.value)
_COUNT: Final = select(func.count()).select_from(MARKS)
_PUT: Final = upsert(MARKS, keys=("name",), set_=("value",))
_NEW: Final = upsert(MARKS, keys=("name",), set_=())
_IS: Final = MARKS.c.value == bindparam("before")
_CHANGE: Final = update(MARKS).where(_ITS, _IS).values(value=bindparam("after"))
_DROP: Final = delete(MARKS).where(_ITS, _IS)


class SqlMarks:
    """Single values by name."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def get(self, name: str) -> str | None:
        """Read a mark."""
        return await self._reader.read(
            lambda c: c.execute(_GET, {"its_name": name}).scalar(), single=True
        )

    async def prefixed(self, prefix: str) -> Mapping[str, str]:
        """Read all marks whose name begins so."""
        query = _ALL.where(func.substr(MARKS.c.name, 1, len(prefix)) == prefix)
        rows = await self._reader.read(lambda c: c.execute(query).all(), single=True)
        return by_name((name, value) for name, value in rows)

    async def put(self, name: str, value: str) -> None:
        """Store a mark.

        Raises:
            RefusedError: it is too large, or there are too many.
        """
        check_mark(name, value)

        def write(connection: Connection) -> None:
            connection.execute(_PUT, {"name": name, "value": value})
            _check_room(connection, name)

        await self._writer.write(write)

    async def swap(self, name: str, before: str | None, after: str | None) -> bool:
        """Replace a mark that still is `before` (None: there is none) by `after` (None: none); false when it is not.

        Raises:
            RefusedError: it is too large, or there are too many.
        """
        check_mark(name, after or "")
        return await self._writer.write(lambda c: _swap(c, name, before, after))


def check_mark(name: str, value: str) -> None:
    """Refuse a mark that is too large.

    Raises:
        RefusedError: it is.
    """
    if len(name) > bounds.MARK_NAME:
        raise RefusedError(f"cannot keep a mark whose name has {len(name)} characters")
    if len(value) > bounds.MARK_VALUE:
        raise RefusedError(f"cannot keep the mark {name}: its value has {len(value)} characters")


def check_number(name: str, count: int) -> None:
    """Refuse a mark beyond those that are kept.

    Raises:
        RefusedError: there are too many.
    """
    if count > bounds.MARKS:
        raise RefusedError(f"cannot keep the mark {name}: there are {bounds.MARKS} already")


def by_name(marks: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """Give marks in the order of their names."""
    return dict(sorted(marks))


def _check_room(connection: Connection, name: str) -> None:
    check_number(name, connection.execute(_COUNT).scalar() or 0)


def _swap(connection: Connection, name: str, before: str | None, after: str | None) -> bool:
    its = {"its_name": name, "before": before}
    if before is None:
        if after is None:
            return connection.execute(_GET, {"its_name": name}).scalar() is None
        if not connection.execute(_NEW, {"name": name, "value": after}).rowcount:
            return False
        _check_room(connection, name)
        return True
    if after is None:
        return connection.execute(_DROP, its).rowcount > 0
    return connection.execute(_CHANGE, its | {"after": after}).rowcount > 0
