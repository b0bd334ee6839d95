"""Reads, away from the event loop: a few threads, each with a read-only connection of its own.

Called by the shelves; calls the database. A read is one short transaction: a long one would keep SQLite's write-ahead
log from being cut, and PostgreSQL from cleaning up.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from controller.errors import StateError
from controller.store.database import SINGLE, Database
from controller.store.trouble import DATABASE_ERRORS, is_away, state_error

T = TypeVar("T")

READERS: Final = 4
"""Reads at the same time; further ones wait."""
PAUSES: Final = (0.1, 0.2, 0.5, 1.0, 1.0, 2.0, 2.0, 4.0, 4.0)
"""Seconds between tries while PostgreSQL is away; then the caller is told."""


class Reader:
    """Runs reads for any number of coroutines."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")
        self._mine = threading.local()
        self._opened: set[Connection] = set()
        self._closed = False

    async def read(self, do: Callable[[Connection], T], *, single: bool = False) -> T:
        """Do a read; it sees every write that has returned.

        Args:
            do: reads.
            single: it is one statement, which sees one moment without a transaction around it; on SQLite that costs half as much.

        Raises:
            StateError: the database cannot be read, or stayed out of reach.
        """
        if self._closed:
            raise StateError("cannot read a state that has been closed")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._read, do, single)

    async def close(self) -> None:
        """Wait for the reads under way and close the connections."""
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown)
        for connection in self._opened:
            connection.close()

    def _read(self, do: Callable[[Connection], T], single: bool) -> T:  # noqa: FBT001 - as it was asked
        for pause in (*PAUSES, None):
            try:
                return self._once(do, single)
            except DATABASE_ERRORS as error:
                if pause is None or not is_away(error):
                    raise state_error(self._database.name, error) from error
            self._drop()
            time.sleep(pause)
        raise AssertionError  # the last try returns or raises

    def _once(self, do: Callable[[Connection], T], single: bool) -> T:  # noqa: FBT001 - as it was asked
        connection = self._connection()
        connection.info[SINGLE] = single
        try:
            return do(connection)
        finally:
            with contextlib.suppress(SQLAlchemyError):
                connection.rollback()

    def _connection(self) -> Connection:
        known: Connection | None = getattr(self._mine, "connection", None)
        if known is None:
            known = self._database.reader()
            self._mine.connection = known
            self._opened.add(known)
        return known

    def _drop(self) -> None:
        """Let go of a connection that broke."""
        broken: Connection | None = getattr(self._mine, "connection", None)
        if broken is not None:
            self._mine.connection = None
            self._opened.discard(broken)
            with contextlib.suppress(SQLAlchemyError):
                broken.close()
