"""The store on SQLite: one file in the state folder.

Built by `service`; calls `shelves`. `migrations` makes its tables, `folder` its place on the disk.
"""

from pathlib import Path

from controller.clock import Clock
from controller.errors import StateError
from controller.store.folder import DATABASE_FILE, create_private, prepare
from controller.store.schema import bring_up_to_date
from controller.store.shelves import SqlStore
from controller.store.sqlite_database import SqliteDatabase
from controller.store.trouble import DATABASE_ERRORS, state_error


def open_store(folder: Path, *, clock: Clock) -> SqlStore:
    """Open the state in a folder, making or migrating it where needed.

    Args:
        folder: the state folder, usually `.ctl` in the config repository.
        clock: dates the history, and names the copy that is taken before a migration.

    Raises:
        StateError: the folder or the database cannot be used.
    """
    path = prepare(folder) / DATABASE_FILE
    try:
        create_private(path)
    except OSError as error:
        raise StateError(f"cannot make {path}: {error.strerror or error}") from error
    database = SqliteDatabase(path)
    database.open_writer()
    try:
        _bring_up_to_date(database, clock)
    except StateError:
        database.close_writer()
        raise
    return SqlStore(database, clock=clock)


def _bring_up_to_date(database: SqliteDatabase, clock: Clock) -> None:
    """Migrate an older file after a copy of it was taken."""

    def copy(found: str) -> None:
        moment = clock.now().strftime("%Y%m%dT%H%M%SZ")
        database.copy_to(database.path.with_name(f"state-{found}-{moment}.db"))

    try:
        with database.writing() as connection:
            bring_up_to_date(connection, database.name, before=copy)
    except DATABASE_ERRORS as error:
        raise state_error(database.name, error) from error
    except OSError as error:
        raise StateError(f"cannot migrate {database.name}: {error}") from error
