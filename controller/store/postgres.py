"""The store on PostgreSQL: one database that several processes share.

Built by `service`; calls `shelves`. `migrations` makes its tables.
"""

from sqlalchemy import Connection

from controller.clock import Clock
from controller.errors import StateError
from controller.store.postgres_connection import making_engine, name_of
from controller.store.postgres_database import TURN, PostgresDatabase, take_alone
from controller.store.schema import bring_up_to_date
from controller.store.shelves import SqlStore
from controller.store.trouble import DATABASE_ERRORS, state_error


def open_store(url: str, *, clock: Clock) -> SqlStore:
    """Open the state in a database, making or migrating its tables where needed. It blocks.

    Args:
        url: as libpq reads it: postgresql://USER:PASSWORD@HOST/DATABASE?...; the tables go into the first schema of its search path.
        clock: dates the history.

    Raises:
        UsageError: the URL cannot be read.
        StateAwayError: PostgreSQL is out of reach.
        StateError: the database cannot be used.
    """
    make_tables(url)
    database = PostgresDatabase(url)
    database.open_writer()
    return SqlStore(database, clock=clock)


def make_tables(url: str) -> None:
    """Bring the tables to the form of this program; of several processes one does it and the others wait.

    Raises:
        UsageError: the URL cannot be read.
        StateAwayError: PostgreSQL is out of reach, or a controller of another form still uses the database.
        StateError: the database cannot be used.
    """
    name = name_of(url)
    engine = making_engine(url)
    try:
        with engine.begin() as connection:
            _refuse_nowhere(connection, name)
            connection.execute(TURN)
            bring_up_to_date(connection, name, before=lambda _: take_alone(connection, name))
    except DATABASE_ERRORS as error:
        raise state_error(name, error) from error
    finally:
        engine.dispose()


def _refuse_nowhere(connection: Connection, name: str) -> None:
    if connection.exec_driver_sql("SELECT current_schema()").scalar() is None:
        raise StateError(
            f"cannot use {name}: none of the schemas of its search path exists",
            hint="create the schema that the URL names",
        )
