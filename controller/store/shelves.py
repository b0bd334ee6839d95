"""Everything on the shelf in one SQL database: the same shelves on SQLite and on PostgreSQL.

Built by `sqlite` and `postgres`, which know how the database is opened; calls the shelves.
"""

from controller.clock import Clock
from controller.store.answers import SqlAnswers
from controller.store.cleaning import SqlCleaning
from controller.store.contacts import SqlContacts
from controller.store.database import Database
from controller.store.dues import SqlDues
from controller.store.jobs import SqlJobs
from controller.store.leases import Fence, Lease, SqlLeases
from controller.store.marks import SqlMarks
from controller.store.newsroom import SqlNewsroom
from controller.store.observations import SqlObservations
from controller.store.outbox import SqlOutbox
from controller.store.parts import SqlParts
from controller.store.reader import Reader
from controller.store.records import SqlRecords
from controller.store.runs import SqlRuns
from controller.store.standings import SqlStandings
from controller.store.tokens import SqlTokens
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
        self.leases = SqlLeases(self._writer, clock)
        self.tokens = SqlTokens(self._writer, self._reader)
        self.parts = SqlParts(self._writer, self._reader)
        self.contacts = SqlContacts(self._writer, self._reader)
        self.dues = SqlDues(self._writer, self._reader)
        self.marks = SqlMarks(self._writer, self._reader)
        self.newsroom = SqlNewsroom(self._writer, self._reader)
        self.answers = SqlAnswers(self._writer, self._reader)
        self.outbox = SqlOutbox(self._writer, self._reader)
        self.cleaning = SqlCleaning(self._writer, self._reader)

    def fence(self, lease: Lease) -> None:
        """Write from now on only while this lease is the newest of its name; else writes raise LockedError."""
        self._writer.fence(Fence(lease).refuses)

    async def close(self) -> None:
        """Finish what is being written and let go of the database."""
        await self._reader.close()
        await self._writer.close()
