"""A PostgreSQL database: one connection that writes, and others that cannot.

Called by `postgres`, the writer and the readers. An advisory lock lets one process write at a time, as the lock file does for SQLite.
Each group of writes leaves its number in the row of its writer, so that after a connection broke in the middle of a commit it
is known, not guessed, whether the group was kept.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Final

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from controller.errors import StateAwayError, StateError
from controller.store.postgres_connection import name_of, reading_engine, writing_engine
from controller.store.schema import HEAD, form_of, refuse_newer
from controller.store.trouble import DATABASE_ERRORS, is_away, state_error

PAUSES: Final = (0.0, 0.1, 0.2, 0.5, 1.0, 1.0, 2.0, 2.0, 4.0, 4.0)
"""Seconds between tries to write while PostgreSQL is away; then the callers are told."""
KEPT: Final = "7 days"
"""How long the row of a writer that no longer writes is kept."""

TURN: Final = text("SELECT pg_advisory_xact_lock(741101, hashtext(current_schema()))")
"""Wait until no other process writes; PostgreSQL ends this with the transaction."""
_USE: Final = text("SELECT pg_advisory_lock_shared(741102, hashtext(current_schema()))")
_ALONE: Final = text("SELECT pg_try_advisory_xact_lock(741102, hashtext(current_schema()))")
_CALLED: Final = text("SELECT gen_random_uuid()::text")
_FORGET: Final = text(f"DELETE FROM writers WHERE at < now() - interval '{KEPT}'")  # noqa: S608  # our own words
_NUMBER: Final = text("SELECT number FROM writers WHERE name = :name")
_COUNT: Final = text(
    "INSERT INTO writers (name, number) VALUES (:name, :number) "
    "ON CONFLICT (name) DO UPDATE SET number = excluded.number, at = now()"
)


class PostgresDatabase:
    """One PostgreSQL database, with the only connection of this process that may write."""

    def __init__(self, url: str) -> None:
        self._name = name_of(url)
        self._engine = writing_engine(url)
        self._reading = reading_engine(url)
        self._writer: Connection | None = None
        self._me: str | None = None
        self._number = 0
        self._closed = False

    @property
    def name(self) -> str:
        """What people call it, without secrets."""
        return self._name

    def open_writer(self) -> None:
        """Open the writing connection.

        Raises:
            StateError: the database cannot be used.
        """
        try:
            self._connected()
        except DATABASE_ERRORS as error:
            self.close_writer()
            raise state_error(self._name, error) from error
        except StateError:
            self.close_writer()
            raise

    def transact(self, do: Callable[[Connection], None]) -> None:
        """Do something in one transaction; through a restart of PostgreSQL it is done again if nothing was kept.

        Raises:
            StateAwayError: PostgreSQL stayed away; nothing was kept, or that cannot be found out.
            StateError: the database cannot be written.
            SQLAlchemyError: as the database complains.
        """
        self._number += 1
        for pause in (*PAUSES, None):
            try:
                return self._once(do)
            except SQLAlchemyError as error:
                if not is_away(error):
                    raise
                self._drop()
                if pause is None:
                    raise state_error(self._name, error) from error
                time.sleep(pause)
        raise AssertionError  # the last try returns or raises

    def still_open(self, connection: Connection) -> bool:
        """Whether the transaction is still there."""
        plain = connection.connection.driver_connection
        if not isinstance(plain, psycopg.Connection):
            return False
        status = plain.info.transaction_status
        return status in {TransactionStatus.INTRANS, TransactionStatus.INERROR}

    def tidy(self) -> None:
        """Do nothing: PostgreSQL cleans up by itself."""

    def reader(self) -> Connection:
        """Open a connection that cannot write."""
        return self._reading.connect()

    def close_writer(self) -> None:
        """Let go of the connection, for good."""
        self._closed = True
        self._drop()
        self._engine.dispose()
        self._reading.dispose()

    def _once(self, do: Callable[[Connection], None]) -> None:
        connection = self._connected()
        with connection.begin():
            connection.execute(TURN)  # a commit of ours that still goes on ends before this
            if connection.execute(_NUMBER, {"name": self._me}).scalar() == self._number:
                return  # the answer was lost, not the commit
            connection.execute(_COUNT, {"name": self._me, "number": self._number})
            do(connection)

    def _connected(self) -> Connection:
        """Give the connection, a new one where it broke."""
        if self._closed:
            raise StateError(f"cannot write to {self._name}: it has been closed")
        if self._writer is None:
            with _closing_on_error(self._engine.connect()) as connection:
                connection.execute(_USE)  # kept by the session: nobody migrates under it
                found = form_of(connection)
                self._refuse_other(found)
                if self._me is None:
                    connection.execute(_FORGET)
                    self._me = str(connection.execute(_CALLED).scalar_one())
                connection.commit()
            self._writer = connection
        return self._writer

    def _refuse_other(self, found: str | None) -> None:
        """Refuse a form that is not ours; while the connection was away a newer program may have come."""
        refuse_newer(found or "", self._name)
        if found != HEAD:
            raise StateError(f"cannot use {self._name}: its form is {found}, not {HEAD}")

    def _drop(self) -> None:
        if self._writer is not None:
            with contextlib.suppress(SQLAlchemyError):
                self._writer.close()
            self._writer = None


def take_alone(connection: Connection, name: str) -> None:
    """Wait, for a moment, until no other process uses the database; the transaction keeps it so.

    Raises:
        StateAwayError: another process goes on using it.
    """
    for pause in (*PAUSES[:6], None):
        if connection.execute(_ALONE).scalar_one():
            return
        if pause is None:
            raise StateAwayError(
                f"cannot migrate {name}: another controller uses it",
                hint="stop every controller of this state, then start the new ones",
            )
        time.sleep(pause)


@contextlib.contextmanager
def _closing_on_error(connection: Connection) -> Iterator[Connection]:
    try:
        yield connection
    except BaseException:
        connection.close()
        raise
