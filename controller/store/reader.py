"""Reads, away from the event loop: a few threads, each with a read-only connection of its own.

Called by the shelves of SQLite; calls the database. A read is one short transaction: a long one would keep the write-ahead
log from being cut.
"""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from controller.errors import StateError
from controller.store.database import Database
from controller.store.trouble import state_error

T = TypeVar("T")

READERS: Final = 4
"""Reads at the same time; further ones wait."""


class Reader:
    """Runs reads for any number of coroutines."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")
        self._mine = threading.local()
        self._opened: list[Connection] = []
        self._closed = False

    async def read(self, do: Callable[[Connection], T]) -> T:
        """Do a read; it sees every write that has returned.

        Raises:
            StateError: the database cannot be read.
        """
        if self._closed:
            raise StateError("cannot read a state that has been closed")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._read, do)

    async def close(self) -> None:
        """Wait for the reads under way and close the connections."""
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown)
        for connection in self._opened:
            connection.close()

    def _read(self, do: Callable[[Connection], T]) -> T:
        try:
            connection = self._connection()
            try:
                return do(connection)
            finally:
                with contextlib.suppress(SQLAlchemyError):
                    connection.rollback()
        except (sqlite3.Error, SQLAlchemyError) as error:
            raise state_error(self._database.path, error) from error

    def _connection(self) -> Connection:
        known: Connection | None = getattr(self._mine, "connection", None)
        if known is None:
            known = self._database.reader()
            self._mine.connection = known
            self._opened.append(known)
        return known
