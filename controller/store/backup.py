"""A sound copy of the database while others go on writing it.

Called by `reconcile.backups`; calls SQLite's online backup.
"""

import contextlib
import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from controller.errors import StateError
from controller.store.folder import DATABASE_FILE, create_private
from controller.store.trouble import state_error


def copy_database(folder: Path, goal: Path) -> None:
    """Copy the database of a state folder as it is at one moment; blocks.

    Args:
        folder: the state folder.
        goal: the file to be made; it must not be there.

    Raises:
        StateError: one of the two cannot be used.
    """
    try:
        if not create_private(goal):
            raise StateError(f"cannot write {goal}: it is there already")
        with (
            contextlib.closing(
                sqlite3.connect(source_of(folder / DATABASE_FILE), uri=True)
            ) as source,
            contextlib.closing(sqlite3.connect(goal)) as copy,
        ):
            source.backup(copy)  # all pages in one step: one moment
            copy.execute("PRAGMA journal_mode = DELETE")  # no second file beside the copy
    except sqlite3.Error as error:
        raise state_error(str(folder / DATABASE_FILE), error) from error
    except OSError as error:
        raise StateError(f"cannot write {goal}: {error.strerror or error}") from error


def source_of(path: Path) -> str:
    """Name a database that is only to be read, as SQLite takes it."""
    return f"file:{quote(os.fsencode(path))}?mode=ro"
