"""The tables, as SQLAlchemy Core sees them; `migrations` makes them, a test holds the two together.

Read by the shelves (`runs`, `jobs`, `records`, `observations`, `standings`) and by `history`. Each row keeps what is searched for in columns of its own
and the whole record as JSON in `data`; `position` counts up in the order of recording.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Every constraint has a name: without one, SQLite cannot drop it in a later migration."""

UNSETTLED: Final = ("pending", "dispatched", "running", "paused", "lost")
"""States of jobs that recovery looks at; `lost` may still change when evidence turns up."""

COUNT: Final = Integer().with_variant(BigInteger(), "postgresql")
"""A whole number of up to 64 bits: SQLite's INTEGER, PostgreSQL's BIGINT."""

RUNS: Final = Table(
    "runs",
    METADATA,
    Column("position", COUNT, nullable=False),
    Column("id", Text, nullable=False),
    Column("data", Text, nullable=False),
    PrimaryKeyConstraint("position"),
    UniqueConstraint("id"),
)

JOBS: Final = Table(
    "jobs",
    METADATA,
    Column("position", COUNT, nullable=False),
    Column("id", Text, nullable=False),
    Column("run", Text, ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    Column("target", Text),
    Column("server", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("stop_requested", Boolean, nullable=False),
    Column("data", Text, nullable=False),
    Column("wishes", Text),
    Column("archived", Text),
    PrimaryKeyConstraint("position"),
    UniqueConstraint("id"),
)
_UNSETTLED: Final = text("state IN ('pending', 'dispatched', 'running', 'paused', 'lost')")
_ARCHIVED: Final = text("archived IS NOT NULL")
Index(None, JOBS.c.run)
Index(None, JOBS.c.target)
Index(None, JOBS.c.server)
Index(
    "ix_jobs_unsettled",
    JOBS.c.position,
    sqlite_where=_UNSETTLED,
    postgresql_where=_UNSETTLED,
)
Index("ix_jobs_archived", JOBS.c.position, sqlite_where=_ARCHIVED, postgresql_where=_ARCHIVED)

WORKS: Final = Table(
    "works",
    METADATA,
    Column("digest", Text, nullable=False),
    Column("data", Text, nullable=False),
    PrimaryKeyConstraint("digest"),
)
"""The rendered work of jobs, once for all jobs that share it; `digest` is the SHA-256 of `data`."""

BODIES: Final = Table(
    "bodies",
    METADATA,
    Column("job", Text, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("work", Text, ForeignKey("works.digest"), nullable=False),
    Column("data", Text, nullable=False),
    PrimaryKeyConstraint("job"),
)
Index(None, BODIES.c.work)

UNDOS: Final = Table(
    "undos",
    METADATA,
    Column("job", Text, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("work", Text, ForeignKey("works.digest"), nullable=False),
    PrimaryKeyConstraint("job"),
)
"""The work that would take back what a job did, for jobs that have one."""
Index(None, UNDOS.c.work)

EVENTS: Final = Table(
    "events",
    METADATA,
    Column("job", Text, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("data", Text, nullable=False),
    PrimaryKeyConstraint("job", "seq"),
    sqlite_with_rowid=False,
)

RECORDS: Final = Table(
    "records",
    METADATA,
    Column("target", Text, nullable=False),
    Column("server", Text, nullable=False),
    Column("data", Text, nullable=False),
    PrimaryKeyConstraint("target", "server"),
    sqlite_with_rowid=False,
)

SERVERS_SEEN: Final = Table(
    "servers_seen",
    METADATA,
    Column("server", Text, nullable=False),
    Column("data", Text, nullable=False),
    PrimaryKeyConstraint("server"),
)

REPOS_SEEN: Final = Table(
    "repos_seen",
    METADATA,
    Column("repo", Text, nullable=False),
    Column("data", Text, nullable=False),
    PrimaryKeyConstraint("repo"),
)

HISTORY: Final = Table(
    "history",
    METADATA,
    Column("position", COUNT, nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("server", Text, nullable=False),
    Column("at", COUNT, nullable=False),
    Column("mark", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("data", Text),
    PrimaryKeyConstraint("position"),
)
"""What records and observations were, one row for each time they changed.

`kind` says what `name` names; `server` is the second half of a pair, else "". `at` is the moment of recording in microseconds
since 1970 (UTC). `mark` is the hash of what matters of `data`, whose bytes `size` counts; no `data`: it was forgotten then.
"""
Index("ix_history_key", HISTORY.c.kind, HISTORY.c.name, HISTORY.c.server)

STANDINGS: Final = Table(
    "standings",
    METADATA,
    Column("position", COUNT, nullable=False),
    Column("kind", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("data", Text, nullable=False),
    PrimaryKeyConstraint("position"),
    UniqueConstraint("kind", "target", "key"),
)
"""What people decided; a further fact of the same kind, target and key takes the place of the one before."""

LEASES: Final = Table(
    "leases",
    METADATA,
    Column("name", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("epoch", COUNT, nullable=False),
    Column("until", COUNT, nullable=False),
    PrimaryKeyConstraint("name"),
)
"""Who may act under a name; `epoch` counts the takings, `until` is a moment in microseconds since 1970 (UTC)."""


TOKENS: Final = Table(
    "tokens",
    METADATA,
    Column("id", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("used_at", Text),
    Column("used_from", Text),
    PrimaryKeyConstraint("id"),
)
"""Tokens of the API; when and from where one was used last stands beside it, because that changes while others look at it."""

PARTS: Final = Table(
    "parts",
    METADATA,
    Column("name", Text, nullable=False),
    Column("instance", Text, nullable=False),
    Column("seen_at", Text, nullable=False),
    Column("data", Text, nullable=False),
    PrimaryKeyConstraint("name", "instance"),
)

CONTACTS: Final = Table(
    "contacts",
    METADATA,
    Column("server", Text, nullable=False),
    Column("data", Text, nullable=False),
    PrimaryKeyConstraint("server"),
)

DUES: Final = Table(
    "dues",
    METADATA,
    Column("target", Text, nullable=False),
    Column("due", Text, nullable=False),
    Column("data", Text, nullable=False),
    PrimaryKeyConstraint("target", "due"),
)

MARKS: Final = Table(
    "marks",
    METADATA,
    Column("name", Text, nullable=False),
    Column("value", Text, nullable=False),
    PrimaryKeyConstraint("name"),
)

COUNTERS: Final = Table(
    "counters",
    METADATA,
    Column("name", Text, nullable=False),
    Column("value", BigInteger, nullable=False),
    PrimaryKeyConstraint("name"),
)
"""Numbers that only go up; who takes one holds its row until his transaction ends, so that numbers are seen in their order."""

NEWS: Final = Table(
    "news",
    METADATA,
    Column(
        "seq", BigInteger().with_variant(Integer, "sqlite"), autoincrement=False, nullable=False
    ),
    Column("data", Text, nullable=False),
    PrimaryKeyConstraint("seq"),
)

ANSWERS: Final = Table(
    "answers",
    METADATA,
    Column("key", Text, nullable=False),
    Column("caller", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("data", Text, nullable=False),
    PrimaryKeyConstraint("key", "caller"),
)
Index(None, ANSWERS.c.at)

LETTERS: Final = Table(
    "letters",
    METADATA,
    Column("id", Text, nullable=False),
    Column("created", Text, nullable=False),
    Column("due", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("data", Text, nullable=False),
    PrimaryKeyConstraint("id"),
)
Index(None, LETTERS.c.state, LETTERS.c.due)
Index(None, LETTERS.c.created)

TROUBLES: Final = Table(
    "troubles",
    METADATA,
    Column("name", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("data", Text, nullable=False),
    PrimaryKeyConstraint("name"),
)
"""What people were told that is wrong; `name` is the subject and the problem."""
