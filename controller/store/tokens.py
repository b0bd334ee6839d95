"""Tokens of the API in the database.

Built by `shelves`; calls the writer and the reader. When a token was used last stands in columns of its own, so that a look that
is some minutes old can still be the ground of a change.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Row, bindparam, delete, func, select, update

from controller.errors import RefusedError
from controller.model.token import Token
from controller.store import bounds
from controller.store.reader import Reader
from controller.store.rows import decode, encode, stamp
from controller.store.tables import TOKENS
from controller.store.upsert import upsert
from controller.store.writer import Writer

Stored = Row[str, str | None, str | None]

_ALL: Final = select(TOKENS.c.data, TOKENS.c.used_at, TOKENS.c.used_from)
_GET: Final = _ALL.where(TOKENS.c.id == bindparam("its_id"))
_COUNT: Final = select(func.count()).select_from(TOKENS)
_ADD: Final = upsert(TOKENS, keys=("id",), set_=())
_DELETE: Final = delete(TOKENS).where(TOKENS.c.id == bindparam("its_id"))
_CHANGE: Final = (
    update(TOKENS)
    .where(TOKENS.c.id == bindparam("its_id"), TOKENS.c.data == bindparam("before"))
    .values(data=bindparam("after"))
)
_USED: Final = (
    update(TOKENS)
    .where(TOKENS.c.id == bindparam("its_id"))
    .values(used_at=bindparam("at"), used_from=bindparam("place"))
)


class SqlTokens:
    """Tokens of the API."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def add(self, token: Token) -> bool:
        """Store a new token; false when its id is taken.

        Raises:
            RefusedError: there are too many that are still good.
        """
        row = {"id": token.id, "data": unused(token)} | _use(token)

        def write(connection: Connection) -> bool:
            if not connection.execute(_ADD, row).rowcount:
                return False
            if (connection.execute(_COUNT).scalar() or 0) > bounds.TOKENS:
                connection.execute(_DELETE, {"its_id": _to_drop(connection, token)})
            return True

        return await self._writer.write(write)

    async def get(self, id_: str) -> Token | None:
        """Find a token by its id."""
        if "\x00" in id_:
            return None  # PostgreSQL takes no such text
        found = await self._reader.read(
            lambda c: c.execute(_GET, {"its_id": id_}).one_or_none(), single=True
        )
        return None if found is None else _token(found)

    async def all(self) -> tuple[Token, ...]:
        """List all tokens, oldest first, those that are over included."""
        rows = await self._reader.read(lambda c: c.execute(_ALL).all(), single=True)
        return in_order([_token(row) for row in rows])

    async def change(self, before: Token, after: Token) -> bool:
        """Replace a token that still is as it was read, its use aside; false when it is not."""
        values = {"its_id": before.id, "before": unused(before), "after": unused(after)}
        return await self._writer.write(lambda c: c.execute(_CHANGE, values).rowcount > 0)

    async def used(self, id_: str, at: datetime, place: str) -> None:
        """Note that a token was used."""
        values = {"its_id": id_, "at": stamp(at), "place": place}
        await self._writer.run(_USED, [values])


def in_order(tokens: list[Token]) -> tuple[Token, ...]:
    """Put the oldest first."""
    return tuple(sorted(tokens, key=lambda token: (token.created_at, token.id)))


def unused(token: Token) -> str:
    """Write a token as if it had never been used."""
    return encode(replace(token, used_at=None, used_from=None))


def oldest_over(tokens: list[Token], added: Token) -> str:
    """Choose the token that makes room for a further one.

    Raises:
        RefusedError: all are still good.
    """
    now = added.created_at
    over = [one for one in in_order(tokens) if one.id != added.id and one.refusal(now) is not None]
    if not over:
        raise RefusedError(
            f"cannot keep more than {bounds.TOKENS} tokens that are still good",
            hint="revoke those that nobody uses: ctl token list, ctl token revoke ID",
        )
    return over[0].id


def _to_drop(connection: Connection, added: Token) -> str:
    return oldest_over([_token(row) for row in connection.execute(_ALL).all()], added)


def _use(token: Token) -> dict[str, str | None]:
    at = None if token.used_at is None else stamp(token.used_at)
    return {"used_at": at, "used_from": token.used_from}


def _token(row: Stored) -> Token:
    data, used_at, used_from = row
    token = decode(Token, data)
    if used_at is None:
        return token
    return replace(token, used_at=datetime.fromisoformat(used_at), used_from=used_from)
