"""Which form the tables have, and the way from an older form to ours.

Called by `sqlite` and `postgres` at every open; calls Alembic only when there is something to migrate, because it takes longer
to import than a plan may take to start. Migrations go forward only, in one transaction.
"""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect

from controller.errors import StateError

HEAD: Final = "0005"
"""The form this program speaks; a test holds it to the newest file in `migrations/versions`."""


def bring_up_to_date(connection: Connection, name: str, *, before: Callable[[str], None]) -> None:
    """Migrate the tables to the form this program speaks, in the transaction that is open.

    Args:
        connection: one that may write, with nobody else writing.
        name: what people call the database.
        before: called with the form that was found before an older one is migrated.

    Raises:
        StateError: the state was written by a newer program, or cannot be migrated.
    """
    found = form_of(connection)
    if found == HEAD:
        return
    if found is not None:
        refuse_newer(found, name)
        before(found)
    runner = importlib.import_module("controller.store.migrations.runner")
    runner.migrate(connection, HEAD)


def refuse_newer(found: str, name: str) -> None:
    """Refuse a form that only a newer program knows.

    Raises:
        StateError: it is one.
    """
    if found > HEAD:
        raise StateError(
            f"cannot use {name}: a newer ctl wrote it (its form is {found}, this ctl knows {HEAD})",
            hint="upgrade ctl, or use another --state",
        )


def form_of(connection: Connection) -> str | None:
    """Read the form of the tables; None for a new database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    version = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return None if version is None else str(version)


def migrations_folder() -> Path:
    """Where the migrations lie."""
    return Path(__file__).with_name("migrations")
