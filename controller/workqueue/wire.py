"""One connection of the queue to PostgreSQL, made anew whenever it broke.

Called by `postgres`, `keeping` and `bell`; calls psycopg.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from controller.errors import StateAwayError, StateError

Row = tuple[object, ...]
Session = psycopg.AsyncConnection[Row]

PAUSE: Final = 0.25
"""Seconds between two tries to reach PostgreSQL."""
_CONNECTING: Final[Mapping[str, str]] = {
    "application_name": "tillerman-queue",
    "connect_timeout": "10",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
    "target_session_attrs": "read-write",
}
_RULES: Final = "SET synchronous_commit = {}; SET lock_timeout = '30s'; SET TimeZone = 'UTC'"


async def connect(url: str, *, durable: bool = True) -> Session:
    """Open a connection whose every statement is a transaction.

    Args:
        url: as libpq reads it.
        durable: whether a crash of PostgreSQL takes nothing of what it has answered.

    Raises:
        psycopg.Error: PostgreSQL cannot be reached.
    """
    named = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    wanted = make_conninfo(**{**_CONNECTING, **named, "client_encoding": "utf8"})
    session = await psycopg.AsyncConnection.connect(wanted, autocommit=True)
    try:
        await session.execute(_RULES.format("on" if durable else "off").encode(), prepare=False)
    except BaseException:
        await session.close()
        raise
    return session


class Wire:
    """Runs one statement at a time."""

    def __init__(self, url: str, *, durable: bool = True) -> None:
        self._url = url
        self._durable = durable
        self._session: Session | None = None
        self._turn = asyncio.Lock()

    async def run(
        self, statement: str, values: Mapping[str, object], *, patience: float
    ) -> Sequence[Row]:
        """Run a statement that may be run twice, through outages.

        Args:
            statement: in SQL.
            values: what stands in its places.
            patience: seconds of tries before giving up.

        Raises:
            StateAwayError: PostgreSQL stayed out of reach; whether the statement was kept is not known.
            StateError: it refuses the statement.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + patience
        while True:
            try:
                async with self._turn:
                    return await self._once(statement, values)
            except psycopg.OperationalError as error:
                if loop.time() >= end:
                    raise StateAwayError(
                        f"cannot reach the queue: {_first_line(error)}",
                        hint="look whether PostgreSQL runs",
                    ) from error
            except psycopg.Error as error:
                raise StateError(f"cannot use the queue: {_first_line(error)}") from error
            await asyncio.sleep(PAUSE)

    async def close(self) -> None:
        """Let go of the connection."""
        async with self._turn:
            await self._drop()

    async def _once(self, statement: str, values: Mapping[str, object]) -> Sequence[Row]:
        try:
            if self._session is None:
                self._session = await connect(self._url, durable=self._durable)
            cursor = await self._session.execute(statement.encode(), values)
            return await cursor.fetchall() if cursor.description else ()
        except BaseException:
            await (
                self._drop()
            )  # of a statement that was broken off nobody knows what its connection does
            raise

    async def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(psycopg.Error):
                await session.close()


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
