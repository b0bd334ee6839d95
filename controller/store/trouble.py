"""What the database complained about, in our own errors.

Called by the databases, the writer and the readers; calls nobody. SQLite speaks in result codes, PostgreSQL in SQLSTATE.
"""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from controller.errors import StateAwayError, StateError

DATABASE_ERRORS: Final = (sqlite3.Error, SQLAlchemyError)
"""What the databases raise."""

FATAL: Final = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""After one of these nothing more may be written: what reached the disk is not known, and asking again would hide it."""

_FULL: Final = ("the disk is full", "free some space and run the command again")
_DAMAGED: Final = ("the database is damaged", "restore it from a backup")
_SAID: Final = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_BUSY: (
        "another program keeps the database busy",
        "wait for the other command, or for the backup that reads it",
    ),
    sqlite3.SQLITE_IOERR: ("the disk reports an error", "check the disk before you go on"),
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: ("it is not a database", "restore it from a backup"),
    sqlite3.SQLITE_READONLY: ("it is read-only", "check who owns the state folder"),
    sqlite3.SQLITE_CANTOPEN: ("it cannot be opened", "check who owns the state folder"),
}
_STATES: Final[Mapping[str, tuple[str, str]]] = {
    "53100": _FULL,
    "55P03": ("another program keeps the database busy", "look for a controller that hangs"),
    "XX001": _DAMAGED,
    "XX002": _DAMAGED,
    "42501": ("the role may not do that", "make the role of the URL the owner of its schema"),
    "25006": ("it is read-only", "name the primary server in the URL"),
}
"""By SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html)."""

_AWAY: Final = ("08", "57P", "53300", "25P03")
"""Beginnings of the SQLSTATEs that say: this connection is gone, or there is none to be had; the last: it stood still for too long."""


def primary_code(error: BaseException) -> int:
    """Find SQLite's primary result code (https://www.sqlite.org/rescode.html); 0 when there is none."""
    code = getattr(_cause(error), "sqlite_errorcode", 0)
    return code & 0xFF if isinstance(code, int) else 0


def is_fatal(error: BaseException) -> bool:
    """Whether writing has to stop for good."""
    return primary_code(error) in FATAL


def is_away(error: BaseException) -> bool:
    """Whether the connection to PostgreSQL broke, or could not be made: another may do better."""
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", "")
    if state is None:  # said on this side of the connection, which says nothing but that it is gone
        return type(error.orig).__name__ == "OperationalError"
    return error.connection_invalidated or str(state).startswith(_AWAY)


def state_error(name: str | Path, error: sqlite3.Error | SQLAlchemyError) -> StateError:
    """Say in our words what the database complained about."""
    cause = _cause(error)
    if is_away(error):
        return StateAwayError(
            f"cannot reach {name}: {_first_line(cause)}", hint="look whether PostgreSQL runs"
        )
    said, hint = _SAID.get(primary_code(error), (None, None))
    if said is None:
        state = getattr(cause, "sqlstate", None)
        said, hint = _STATES.get(str(state), (_first_line(cause), None))
    return StateError(f"cannot use {name}: {said}", hint=hint)


def _cause(error: BaseException) -> BaseException:
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig
    return error


def _first_line(error: BaseException) -> str:
    """The first line is the complaint; later ones repeat the statement with its values."""
    return str(error).strip().partition("\n")[0]
