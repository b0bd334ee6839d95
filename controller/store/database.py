"""What the writer and the readers need of a database: a connection that writes, and connections that cannot.

Implemented by `sqlite_database` and `postgres_database`; called by the writer and the readers.
"""

from collections.abc import Callable
from typing import Final, Protocol

from sqlalchemy import Connection

SINGLE: Final = "single"
"""Says in the `info` of a connection that reads that one statement is to come, for which no transaction has to be begun."""


class Database(Protocol):
    """One database, opened; its methods are called from threads and block."""

    @property
    def name(self) -> str:
        """What people call it, without secrets."""
        ...

    def transact(self, do: Callable[[Connection], None]) -> None:
        """Do something in one transaction, alone over all processes; it is durable when this returns.

        Args:
            do: may be called again from the start when the connection broke and nothing of the first time was kept.

        Raises:
            StateError: the database cannot be written.
            sqlite3.Error: as the database complains.
            SQLAlchemyError: as the database complains.
        """
        ...

    def still_open(self, connection: Connection) -> bool:
        """Whether the transaction is still there: some errors end it by themselves."""
        ...

    def tidy(self) -> None:
        """Do what is due after a commit."""
        ...

    def reader(self) -> Connection:
        """Open a connection that cannot write."""
        ...

    def close_writer(self) -> None:
        """Let go of the connection that writes, for good."""
        ...
