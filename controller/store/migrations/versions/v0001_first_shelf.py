"""The first shelf: runs, jobs, ledgers, applied records, observations."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_COUNT = sa.Integer().with_variant(sa.BigInteger(), "postgresql")
_UNSETTLED = sa.text("state IN ('pending', 'dispatched', 'running', 'paused', 'lost')")


def upgrade() -> None:
    """Make the tables."""
    _work()
    for table, key in (("servers_seen", "server"), ("repos_seen", "repo")):
        op.create_table(
            table,
            sa.Column(key, sa.Text, nullable=False),
            sa.Column("data", sa.Text, nullable=False),
            sa.PrimaryKeyConstraint(key, name=f"pk_{table}"),
        )
    op.create_table(
        "records",
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("server", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("target", "server", name="pk_records"),
        sqlite_with_rowid=False,
    )


def _work() -> None:
    op.create_table(
        "runs",
        sa.Column("position", _COUNT, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_runs"),
        sa.UniqueConstraint("id", name="uq_runs_id"),
    )
    op.create_table(
        "jobs",
        sa.Column("position", _COUNT, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("target", sa.Text),
        sa.Column("server", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("stop_requested", sa.Boolean, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_jobs"),
        sa.UniqueConstraint("id", name="uq_jobs_id"),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_jobs_run_runs", ondelete="CASCADE"),
    )
    for column in ("run", "target", "server"):
        op.create_index(f"ix_jobs_{column}", "jobs", [column])
    op.create_index(
        "ix_jobs_unsettled",
        "jobs",
        ["position"],
        sqlite_where=_UNSETTLED,
        postgresql_where=_UNSETTLED,
    )
    _ledgers()


def _ledgers() -> None:
    op.create_table(
        "works",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_works"),
    )
    op.create_table(
        "bodies",
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("work", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("job", name="pk_bodies"),
        sa.ForeignKeyConstraint(
            ["job"], ["jobs.id"], name="fk_bodies_job_jobs", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["work"], ["works.digest"], name="fk_bodies_work_works"),
    )
    op.create_index("ix_bodies_work", "bodies", ["work"])
    op.create_table(
        "events",
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("job", "seq", name="pk_events"),
        sa.ForeignKeyConstraint(
            ["job"], ["jobs.id"], name="fk_events_job_jobs", ondelete="CASCADE"
        ),
        sqlite_with_rowid=False,
    )
