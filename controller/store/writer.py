"""The one writer: a thread that commits what many callers ask for in groups.

Called by the shelves; calls the database. A write that is refused takes no other with it: its group is
then done again with a SAVEPOINT around each; all are durable (fsync) before any caller goes on. Over all processes one group at a time is written: the shelves may read,
decide and write without anybody in between, and SQLite before 3.51.3 can lose a write when two connections write and
checkpoint at the same instant (https://www.sqlite.org/wal.html, "The WAL-reset bug").
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from sqlalchemy import Connection, Executable
from sqlalchemy.exc import SQLAlchemyError

from controller.callers import Caller, wake
from controller.errors import ControllerError, StateError
from controller.store.database import Database
from controller.store.trouble import DATABASE_ERRORS, is_away, is_fatal, state_error

T = TypeVar("T")

GROUP: Final = 200
"""Writes that share one commit at most."""
WAITING: Final = 2000
"""Callers that may wait for a commit; further ones wait for a place."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Write(Caller):
    """One caller's write."""

    do: Callable[[Connection], object]
    fenced: bool


class _OneByOneError(Exception):
    """Something in a group was refused: nothing of it was kept, and each write needs a savepoint of its own."""


class Writer:
    """Takes writes from any number of coroutines and commits them in groups."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._places = asyncio.Semaphore(WAITING)
        self._broken: StateError | None = None
        self._refuses: Callable[[Connection], ControllerError | None] = _nothing
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="store-writer", daemon=True)
        self._thread.start()

    def fence(self, refuses: Callable[[Connection], ControllerError | None]) -> None:
        """Ask from now on in each transaction whether anything may be written; an answer is the refusal."""
        self._refuses = refuses

    async def write(self, do: Callable[[Connection], T], *, fenced: bool = True) -> T:
        """Do a write and come back when it is durable.

        Args:
            do: the write; where the connection to PostgreSQL broke and nothing was kept it is called again.
            fenced: false for what may be written whoever acts.

        Raises:
            StateError: the database cannot be written; after an error of the disk, for good.
            ControllerError: what `do` itself raised; nothing of it is kept then.
        """
        async with self._places:
            if self._closed:
                raise StateError("cannot write to a state that has been closed")
            write = _Write(do=do, fenced=fenced)
            self._queue.put(write)
            result: T = await write.answer  # type: ignore[assignment]  # what `do` gave, through a queue of many
            return result

    async def run(self, statement: Executable, rows: Sequence[Mapping[str, object]]) -> None:
        """Do one statement for each of the rows; see `write`."""

        def do(connection: Connection) -> None:
            connection.execute(statement, rows)

        await self.write(do)

    async def close(self) -> None:
        """Finish what is waiting, copy the log back, end the thread."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _serve(self) -> None:
        going = True
        while going:
            group, going = self._next_group()
            if group:
                self._commit(group)
                wake(group)
        self._database.close_writer()

    def _next_group(self) -> tuple[list[_Write], bool]:
        """Wait for a write, then take all that came in meanwhile; false once the store is closed."""
        group: list[_Write] = []
        item = self._queue.get()
        while item is not None:
            group.append(item)
            if len(group) >= GROUP:
                return group, True
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return group, True
        return group, False

    def _commit(self, group: list[_Write]) -> None:
        if self._broken is not None:
            _refuse(group, self._broken)
            return
        try:
            self._write(group)
        except DATABASE_ERRORS as error:
            _refuse(group, self._translate(error))
        except OSError as error:
            said = f"cannot write {self._database.name}: {error.strerror or error}"
            _refuse(group, StateError(said))
        except StateError as error:
            _refuse(group, error)
        else:
            self._tidy()

    def _write(self, group: list[_Write]) -> None:
        """Write a group, first as if nothing in it could be refused, which is how it nearly always goes."""
        try:
            self._database.transact(lambda connection: self._write_all(connection, group))
        except _OneByOneError:
            self._database.transact(lambda connection: self._write_each(connection, group))

    def _write_all(self, connection: Connection, group: list[_Write]) -> None:
        if self._refuses(connection) is not None:
            raise _OneByOneError
        for write in group:
            try:
                write.result = write.do(connection)
            except DATABASE_ERRORS as error:
                if is_fatal(error) or is_away(error):
                    raise
                raise _OneByOneError from error
            except Exception as error:
                raise _OneByOneError from error

    def _write_each(self, connection: Connection, group: list[_Write]) -> None:
        refusal = self._refuses(connection)
        for write in group:
            if refusal is not None and write.fenced:
                write.error = refusal
            else:
                self._try_write(connection, write)

    def _try_write(self, connection: Connection, write: _Write) -> None:
        """Do one write in a savepoint: what it refuses is its own, what ends the transaction is everybody's."""
        write.error = None
        connection.exec_driver_sql("SAVEPOINT one")
        try:
            write.result = write.do(connection)
        except DATABASE_ERRORS as error:
            if is_fatal(error) or is_away(error) or not self._database.still_open(connection):
                raise
            write.error = state_error(self._database.name, error)
        except Exception as error:  # noqa: BLE001  # it goes to the caller it belongs to; the thread lives on
            write.error = error
        if write.error is not None:
            connection.exec_driver_sql("ROLLBACK TO one")
        connection.exec_driver_sql("RELEASE one")

    def _tidy(self) -> None:
        """Copy the log back; what was committed stays committed when that fails."""
        try:
            self._database.tidy()
        except (*DATABASE_ERRORS, OSError, StateError) as error:
            # The log only stays longer; a disk at fault is told to the next caller.
            if isinstance(error, DATABASE_ERRORS):
                self._translate(error)

    def _translate(self, error: sqlite3.Error | SQLAlchemyError) -> StateError:
        """Say it in our words, and stop writing for good when the disk is at fault."""
        said = state_error(self._database.name, error)
        if is_fatal(error):
            self._broken = said
        return said


def _nothing(_: Connection) -> None:
    """Refuse nothing: nobody has fenced this store."""


def _refuse(group: list[_Write], error: StateError) -> None:
    """Nothing of the group was kept: tell every caller."""
    for write in group:
        write.error = error
