"""What was known earlier, what people decided, and the work that takes a job back."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_COUNT = sa.Integer().with_variant(sa.BigInteger(), "postgresql")

# What is known now is where history begins. Its own moment is the best there is; the mark equals no other, so
# that the next thing recorded is a row of its own.
_SEED = """
INSERT INTO history (kind, name, server, at, mark, size, data)
SELECT '{kind}', {name}, {server},
    coalesce(CAST(strftime('%s', json_extract(data, '$.{moment}')) AS INTEGER), 0) * 1000000,
    'first', length(data), data
FROM {table}
"""


def upgrade() -> None:
    """Make the tables, and begin the history with what is known."""
    op.create_table(
        "undos",
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("work", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("job", name="pk_undos"),
        sa.ForeignKeyConstraint(["job"], ["jobs.id"], name="fk_undos_job_jobs", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["work"], ["works.digest"], name="fk_undos_work_works"),
    )
    op.create_index("ix_undos_work", "undos", ["work"])
    op.create_table(
        "standings",
        sa.Column("position", _COUNT, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_standings"),
        sa.UniqueConstraint("kind", "target", "key", name="uq_standings_kind_target_key"),
    )
    _history()


def _history() -> None:
    op.create_table(
        "history",
        sa.Column("position", _COUNT, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("server", sa.Text, nullable=False),
        sa.Column("at", _COUNT, nullable=False),
        sa.Column("mark", sa.Text, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("data", sa.Text),
        sa.PrimaryKeyConstraint("position", name="pk_history"),
    )
    op.create_index("ix_history_key", "history", ["kind", "name", "server"])
    if op.get_bind().dialect.name == "sqlite":  # no state on PostgreSQL is so old
        _seed()


def _seed() -> None:
    for kind, table, name, server, moment in (
        ("record", "records", "target", "server", "at"),
        ("server", "servers_seen", "server", "''", "at"),
        ("repo", "repos_seen", "repo", "''", "checked_at"),
    ):
        op.execute(_SEED.format(kind=kind, table=table, name=name, server=server, moment=moment))
