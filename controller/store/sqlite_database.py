"""The database file and its connections: one that writes, and short read-only ones.

Called by `sqlite`, the writer and the reader; calls SQLite through SQLAlchemy. The write lock is a lock file beside the
database, so that over all processes one group, one migration or one checkpoint happens at a time.
"""

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from controller.errors import StateError
from controller.store.database import SINGLE
from controller.store.trouble import state_error

BUSY: Final = 30.0
"""Seconds a write waits for another process before it gives up."""
POLL: Final = 0.002
"""Seconds between two looks at a lock that is held."""
LOG_BYTES: Final = 4 * 1024 * 1024
"""Length of the write-ahead log at which it is copied back into the database."""
CHECKED_BYTES: Final = 32 * 1024 * 1024
"""A database up to this size is checked whole at every open (some 20 ms); a larger one by `ctl doctor` only."""


class SqliteDatabase:
    """One SQLite file in WAL mode, with the only connection of this process that may write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock_path = path.with_name("write.lock")
        self._engine = _engine(path, mode="rw")
        self._writer: Connection | None = None
        self._log_limit = LOG_BYTES

    @property
    def name(self) -> str:
        """What people call it."""
        return str(self.path)

    def open_writer(self) -> None:
        """Open the writing connection and look whether the file is sound.

        Raises:
            StateError: the file cannot be used.
        """
        try:
            self._writer = self._engine.connect()
            with self._only_writer():
                self._make_ready(_plain(self._writer))
        except (sqlite3.Error, SQLAlchemyError) as error:
            self.close_writer()
            raise state_error(self.name, error) from error
        except StateError:
            self.close_writer()
            raise

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """Lend the writing connection inside one transaction; it is durable when the block has ended.

        Raises:
            StateError: another process kept the write lock too long.
        """
        if self._writer is None:
            raise StateError(f"cannot write to {self.path}: it has been closed")
        with self._only_writer(), self._writer.begin():
            yield self._writer

    def transact(self, do: Callable[[Connection], None]) -> None:
        """Do something in one transaction; see `writing`."""
        with self.writing() as connection:
            do(connection)

    def still_open(self, connection: Connection) -> bool:
        """Whether the transaction is still there: some errors of SQLite end it by themselves."""
        return _plain(connection).in_transaction

    def tidy(self) -> None:
        """Copy the write-ahead log back and cut it once it is long; readers are never waited for.

        While a long read keeps the log from being cut, the next try comes when it has grown by as much again.
        """
        log = self.path.with_name(f"{self.path.name}-wal")
        if self._writer is None or log.stat().st_size <= self._log_limit:
            return
        plain = _plain(self._writer)
        with self._only_writer():
            plain.execute("PRAGMA busy_timeout = 0")
            try:
                busy = plain.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            finally:
                plain.execute(f"PRAGMA busy_timeout = {BUSY * 1000:.0f}")
        self._log_limit = (log.stat().st_size if busy else 0) + LOG_BYTES

    def close_writer(self) -> None:
        """Copy the log back if no other process uses the file, and let go of it."""
        if self._writer is not None:
            with contextlib.suppress(StateError), self._only_writer():
                self._writer.close()
            self._writer = None
        self._engine.dispose()

    def reader(self) -> Connection:
        """Open a connection that cannot write."""
        return _engine(self.path, mode="ro").connect()

    def copy_to(self, path: Path) -> None:
        """Write a sound copy of the whole database, as SQLite sees it now; needs a write block around it."""
        with contextlib.closing(sqlite3.connect(_uri(self.path, "ro"), uri=True)) as source:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            os.close(descriptor)
            with contextlib.closing(sqlite3.connect(path)) as copy:
                source.backup(copy)

    def _make_ready(self, connection: sqlite3.Connection) -> None:
        """Look whether the file is sound and see to it that it is in WAL mode."""
        if self.path.stat().st_size <= CHECKED_BYTES:
            said = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if said != "ok":
                raise StateError(
                    f"cannot use {self.path}: the database is damaged: {said}",
                    hint="restore the state folder from a backup",
                )
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise StateError(f"cannot use {self.path}: its file system does not allow WAL ({mode})")

    @contextlib.contextmanager
    def _only_writer(self) -> Iterator[None]:
        """Hold the write lock over all processes; the system frees it when a process dies."""
        descriptor = os.open(self._lock_path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            self._wait_for(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _wait_for(self, descriptor: int) -> None:
        tries = int(BUSY / POLL)
        for _ in range(tries):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(POLL)
            else:
                return
        raise StateError(
            f"cannot write to {self.path}: another process has been writing for {BUSY:.0f} s",
            hint="look for a ctl that hangs",
        )


def _plain(connection: Connection) -> sqlite3.Connection:
    plain = connection.connection.driver_connection
    if not isinstance(plain, sqlite3.Connection):
        raise StateError("cannot use a database connection that is gone")
    return plain


def _uri(path: Path, mode: str) -> str:
    return f"file:{quote(os.fsencode(path))}?mode={mode}"


def _engine(path: Path, *, mode: str) -> Engine:
    """Make an engine whose connections obey the storage rules; transactions are begun by us, never by the driver."""

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            _uri(path, mode),
            uri=True,
            timeout=BUSY,
            isolation_level=None,
            check_same_thread=False,  # made by the opener, then used by one thread alone
        )
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA trusted_schema = OFF")
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    begin = "BEGIN IMMEDIATE" if mode == "rw" else "BEGIN"

    def on_begin(connection: Connection) -> None:
        if connection.info.get(SINGLE, False):
            return
        _plain(connection).execute(begin)  # a tenth of what the same costs through SQLAlchemy

    event.listen(engine, "begin", on_begin)
    return engine
