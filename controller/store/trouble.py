"""What the database complained about, in our own errors.

Called by the writer and the reader of SQLite; calls nobody.
"""

import sqlite3
from pathlib import Path
from typing import Final

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from controller.errors import StateError

FATAL: Final = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
"""After one of these nothing more may be written: what reached the disk is not known, and asking again would hide it."""

_SAID: Final = {
    sqlite3.SQLITE_FULL: ("the disk is full", "free some space and run the command again"),
    sqlite3.SQLITE_BUSY: (
        "another program keeps the database busy",
        "wait for the other command, or for the backup that reads it",
    ),
    sqlite3.SQLITE_IOERR: ("the disk reports an error", "check the disk before you go on"),
    sqlite3.SQLITE_CORRUPT: ("the database is damaged", "restore it from a backup"),
    sqlite3.SQLITE_NOTADB: ("it is not a database", "restore it from a backup"),
    sqlite3.SQLITE_READONLY: ("it is read-only", "check who owns the state folder"),
    sqlite3.SQLITE_CANTOPEN: ("it cannot be opened", "check who owns the state folder"),
}


def primary_code(error: BaseException) -> int:
    """Find SQLite's primary result code (https://www.sqlite.org/rescode.html); 0 when there is none."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(cause, "sqlite_errorcode", 0)
    return code & 0xFF if isinstance(code, int) else 0


def is_fatal(error: BaseException) -> bool:
    """Whether writing has to stop for good."""
    return primary_code(error) in FATAL


def state_error(path: Path, error: sqlite3.Error | SQLAlchemyError) -> StateError:
    """Say in our words what the database complained about."""
    said, hint = _SAID.get(primary_code(error), (None, None))
    if said is None:
        cause = error.orig if isinstance(error, DBAPIError) else error
        said = str(cause)
    return StateError(f"cannot use {path}: {said}", hint=hint)
