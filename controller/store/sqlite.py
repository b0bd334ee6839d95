"""The store on SQLite: one file in the state folder.

Built by `service`; calls the shelves. `migrations` makes its tables, `folder` its place on the disk.
"""

from pathlib import Path
from typing import Final

from controller.clock import Clock
from controller.errors import StateError
from controller.store.database import Database
from controller.store.folder import create_private, prepare
from controller.store.jobs import SqliteJobs
from controller.store.observations import SqliteObservations
from controller.store.reader import Reader
from controller.store.records import SqliteRecords
from controller.store.runs import SqliteRuns
from controller.store.schema import bring_up_to_date
from controller.store.standings import SqliteStandings
from controller.store.writer import Writer

FILE: Final = "state.db"
"""Name of the database inside the state folder."""


class SqliteStore:
    """Everything on the shelf, in one SQLite file."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._writer = Writer(database)
        self._reader = Reader(database)
        self.runs = SqliteRuns(self._writer, self._reader)
        self.jobs = SqliteJobs(self._writer, self._reader)
        self.records = SqliteRecords(self._writer, self._reader, clock)
        self.observations = SqliteObservations(self._writer, self._reader, clock)
        self.standings = SqliteStandings(self._writer, self._reader)

    async def close(self) -> None:
        """Finish what is being written and let go of the database."""
        await self._reader.close()
        await self._writer.close()


def open_store(folder: Path, *, clock: Clock) -> SqliteStore:
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
    return SqliteStore(database, clock=clock)
