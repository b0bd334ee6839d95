"""Answers to requests with an idempotency key, in the database.

Built by `shelves`; calls the writer and the reader.
"""

from typing import Final

from sqlalchemy import Connection, bindparam, delete, select

from controller.model.serving import Answered
from controller.store import bounds
from controller.store.reader import Reader
from controller.store.rows import decode, encode, stamp
from controller.store.tables import ANSWERS
from controller.store.upsert import upsert
from controller.store.writer import Writer

_ITS: Final = (ANSWERS.c.key == bindparam("its_key"), ANSWERS.c.caller == bindparam("its_caller"))
_GET: Final = select(ANSWERS.c.data).where(*_ITS)
_RESERVE: Final = upsert(ANSWERS, keys=("key", "caller"), set_=())
_COMPLETE: Final = upsert(ANSWERS, keys=("key", "caller"), set_=("at", "data"))
_DROP: Final = delete(ANSWERS).where(*_ITS)
_OLD: Final = delete(ANSWERS).where(ANSWERS.c.at <= bindparam("before"))
_BEYOND: Final = delete(ANSWERS).where(
    ANSWERS.c.at
    < select(ANSWERS.c.at)
    .order_by(ANSWERS.c.at.desc())
    .limit(1)
    .offset(bindparam("kept"))
    .scalar_subquery()
)


class SqlAnswers:
    """Answers that were given."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def reserve(self, answered: Answered) -> Answered | None:
        """Store the beginning of an answer (status 0); give what is stored already under the same key and caller."""
        row = _row(answered)
        its = {"its_key": answered.key, "its_caller": answered.caller}
        old = {"before": stamp(answered.at - bounds.ANSWERED)}

        def write(connection: Connection) -> str | None:
            connection.execute(_OLD, old)
            if not connection.execute(_RESERVE, row).rowcount:
                return connection.execute(_GET, its).scalar()
            connection.execute(_BEYOND, {"kept": bounds.ANSWERS - 1})
            return None

        found = await self._writer.write(write)
        return None if found is None else decode(Answered, found)

    async def complete(self, answered: Answered) -> None:
        """Store the whole answer in place of its beginning."""
        await self._writer.run(_COMPLETE, [_row(answered)])

    async def drop(self, key: str, caller: str) -> None:
        """Delete an answer whose request came to nothing, so that it may be tried again."""
        await self._writer.run(_DROP, [{"its_key": key, "its_caller": caller}])


def _row(answered: Answered) -> dict[str, object]:
    return {
        "key": answered.key,
        "caller": answered.caller,
        "at": stamp(answered.at),
        "data": encode(answered),
    }
