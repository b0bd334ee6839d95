"""Everything on the shelf in one SQL database: the same shelves on SQLite and on PostgreSQL.

Built by `sqlite` and `postgres`, which know how the database is opened; calls the shelves.
"""

from controller.clock import Clock
from controller.store.database import Database
from controller.store.jobs import SqlJobs
from controller.store.observations import SqlObservations
from controller.store.reader import Reader
from controller.store.records import SqlRecords
from controller.store.runs import SqlRuns
from controller.store.standings import SqlStandings
from controller.store.writer import Writer


class SqlStore:
    """Everything on the shelf, in one database."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._writer = Writer(database)
        self._reader = Reader(database)
        self.runs = SqlRuns(self._writer, self._reader)
        self.jobs = SqlJobs(self._writer, self._reader)
        self.records = SqlRecords(self._writer, self._reader, clock)
        self.observations = SqlObservations(self._writer, self._reader, clock)
        self.standings = SqlStandings(self._writer, self._reader)

    async def close(self) -> None:
        """Finish what is being written and let go of the database."""
        await self._reader.close()
        await self._writer.close()
