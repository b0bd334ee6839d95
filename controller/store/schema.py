"""Which form the tables have, and the way from an older form to ours.

Called by `sqlite` at every open; calls Alembic only when there is something to migrate, because it takes longer to import than a
plan may take to start. Migrations go forward only, in one transaction, after a copy of the file was taken.
"""

import importlib
import sqlite3
from pathlib import Path
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from controller.clock import Clock
from controller.errors import StateError
from controller.store.database import Database
from controller.store.trouble import state_error

HEAD: Final = "0005"
"""The form this program speaks; a test holds it to the newest file in `migrations/versions`."""

_VERSION_TABLE: Final = "SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'"


def bring_up_to_date(database: Database, *, clock: Clock) -> None:
    """Migrate the tables to the form this program speaks.

    Raises:
        StateError: the state was written by a newer program, or cannot be migrated.
    """
    try:
        with database.writing() as connection:
            found = _found(connection)
            if found == HEAD:
                return
            if found is not None and found > HEAD:
                raise StateError(
                    f"cannot use {database.path}: a newer ctl wrote it "
                    f"(its form is {found}, this ctl knows {HEAD})",
                    hint="upgrade ctl, or use another --state",
                )
            if found is not None:
                moment = clock.now().strftime("%Y%m%dT%H%M%SZ")
                database.copy_to(database.path.with_name(f"state-{found}-{moment}.db"))
            _migrate(connection)
    except (sqlite3.Error, SQLAlchemyError, OSError) as error:
        if isinstance(error, OSError):
            raise StateError(f"cannot migrate {database.path}: {error}") from error
        raise state_error(database.path, error) from error


def _found(connection: Connection) -> str | None:
    """Read the form of the tables; None for a new file."""
    if not connection.exec_driver_sql(_VERSION_TABLE).scalar_one():
        return None
    version = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return None if version is None else str(version)


def _migrate(connection: Connection) -> None:
    """Let Alembic do what is missing, inside the transaction that is open."""
    runner = importlib.import_module("controller.store.migrations.runner")
    runner.migrate(connection, HEAD)


def migrations_folder() -> Path:
    """Where the migrations lie."""
    return Path(__file__).with_name("migrations")
