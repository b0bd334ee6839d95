"""The store on SQLite: one file in the state folder.

Built by `service`; calls `shelves`. `migrations` makes its tables, `folder` its place on the disk.
"""

from pathlib import Path
from typing import Final

from controller.clock import Clock
from controller.errors import StateError
from controller.store.database import Database
from controller.store.folder import create_private, prepare
from controller.store.schema import bring_up_to_date
from controller.store.shelves import SqlStore

FILE: Final = "state.db"
"""Name of the database inside the state folder."""


def open_store(folder: Path, *, clock: Clock) -> SqlStore:
    """Open the state in a folder, making or migrating it where needed.

    Args:
        folder: the state folder, usually `.ctl` in the config repository.
        clock: dates the history, and names the copy that is taken before a migration.

    Raises:
        StateError: the folder or the database cannot be used.
    """
    path = prepare(folder) / FILE
    try:
        create_private(path)
    except OSError as error:
        raise StateError(f"cannot make {path}: {error.strerror or error}") from error
    database = Database(path)
    database.open_writer()
    try:
        bring_up_to_date(database, clock=clock)
    except StateError:
        database.close_writer()
        raise
    return SqlStore(database, clock=clock)
