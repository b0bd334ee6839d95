"""The cache of parsed declaration forms, in a SQLite file of its own.

Made by `service`, used by `declaration` through its protocol. It is only a cache: it never raises, forgets what it likes, and a
file that cannot be read is thrown away. No SQLAlchemy and no WAL: losing it costs a second, opening it must cost nothing.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

FORMAT: Final = 1
"""Raised when the table changes; a file of another format is thrown away."""
LARGEST: Final = 4 * 1024 * 1024
"""Bytes of one form; larger ones are not kept."""
WHOLE: Final = 64 * 1024 * 1024
"""Bytes of all forms together; above it the oldest go."""
_AT_ONCE: Final = 500
"""Keys of one question; SQLite allows 999 values a statement in its oldest form."""

_PASSING: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
    }
)
"""Troubles that are not the file's own."""

_TABLE: Final = """
CREATE TABLE forms (
    position INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    data BLOB NOT NULL
)"""
_DROP_OLDEST: Final = """
DELETE FROM forms WHERE position <= (
    SELECT position FROM (
        SELECT position, sum(size) OVER (ORDER BY position DESC) AS newer FROM forms
    ) WHERE newer > ? ORDER BY position DESC LIMIT 1
)"""


class FormsCache:
    """Forms by key, kept between commands."""

    def __init__(self, path: Path, *, whole: int = WHOLE) -> None:
        self._path = path
        self._whole = whole

    def get_many(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        """Give what is known of these keys; nothing when the cache cannot be read."""
        found: dict[str, bytes] = {}
        try:
            with self._connection(make=False) as connection:
                for start in range(0, len(keys), _AT_ONCE):
                    some = keys[start : start + _AT_ONCE]
                    marks = ",".join("?" * len(some))
                    query = f"SELECT key, data FROM forms WHERE key IN ({marks})"  # noqa: S608  # marks only
                    rows = connection.execute(query, some)
                    found.update((key, data) for key, data in rows if isinstance(data, bytes))
        except (sqlite3.Error, OSError, UnicodeError) as error:
            self._throw_away(error)
        return found

    def put_many(self, forms: Mapping[str, bytes]) -> None:
        """Keep forms under their keys, as far as they fit."""
        rows = [(key, len(data), data) for key, data in forms.items() if len(data) <= LARGEST]
        if not rows:
            return
        try:
            with self._connection(make=True) as connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(
                    "INSERT OR REPLACE INTO forms (key, size, data) VALUES (?, ?, ?)", rows
                )
                connection.execute(_DROP_OLDEST, (self._whole,))
                connection.execute("COMMIT")
        except (sqlite3.Error, OSError, UnicodeError) as error:
            self._throw_away(error)

    @contextlib.contextmanager
    def _connection(self, *, make: bool) -> Iterator[sqlite3.Connection]:
        """Lend a connection to a file of our format."""
        if make:
            self._make()
        elif not self._path.exists():
            raise FileNotFoundError(self._path)
        with contextlib.closing(
            sqlite3.connect(self._path, timeout=1.0, isolation_level=None)
        ) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA trusted_schema = OFF")
            found = connection.execute("PRAGMA user_version").fetchone()[0]
            if found == 0 and make:
                connection.execute("BEGIN IMMEDIATE")
                if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
                    connection.execute(_TABLE)
                    connection.execute(f"PRAGMA user_version = {FORMAT}")
                connection.execute("COMMIT")
            elif found != FORMAT:
                raise sqlite3.DatabaseError(f"a cache of format {found}")
            yield connection

    def _make(self) -> None:
        """Make the file for its owner alone; it holds what the declarations hold."""
        with contextlib.suppress(FileExistsError):
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
            os.close(os.open(self._path, flags, 0o600))

    def _throw_away(self, error: Exception) -> None:
        """Forget a file that cannot be used; one that is only busy, or a disk that is full, is no reason."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if isinstance(error, sqlite3.Error) and code not in _PASSING:
            for end in ("", "-journal"):
                with contextlib.suppress(OSError):
                    self._path.with_name(self._path.name + end).unlink()
