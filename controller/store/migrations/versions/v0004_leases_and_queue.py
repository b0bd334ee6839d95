"""Who may act and since which epoch; on PostgreSQL also the queue, and how far each writer has come."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_COUNT = sa.Integer().with_variant(sa.BigInteger(), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "leases",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("epoch", _COUNT, nullable=False),
        sa.Column("until", _COUNT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
    if op.get_bind().dialect.name == "postgresql":
        _writers()
        _queue()


def _writers() -> None:
    op.create_table(
        "writers",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("name", name="pk_writers"),
    )


def _queue() -> None:
    op.execute("CREATE SEQUENCE wq_tokens")
    op.create_table(
        "wq",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("due", sa.DateTime(timezone=True)),
        sa.Column("prio", sa.Integer, nullable=False),
        sa.Column("fails", sa.Integer, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("token", sa.BigInteger),
        sa.Column("lease", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("key", name="pk_wq"),
    )
    waiting = sa.text("owner IS NULL AND due IS NOT NULL")
    op.create_index("ix_wq_due", "wq", ["due"], postgresql_where=waiting)
    op.create_index("ix_wq_prio", "wq", [sa.text("prio DESC"), "due"], postgresql_where=waiting)
    op.create_index("ix_wq_lease", "wq", ["lease"], postgresql_where=sa.text("owner IS NOT NULL"))
