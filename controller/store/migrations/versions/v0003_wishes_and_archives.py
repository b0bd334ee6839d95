"""What people wish of jobs that go on, and where the output of archived jobs lies."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Give jobs two columns, both empty for all that are there."""
    op.add_column("jobs", sa.Column("wishes", sa.Text))
    op.add_column("jobs", sa.Column("archived", sa.Text))
    archived = sa.text("archived IS NOT NULL")
    op.create_index(
        "ix_jobs_archived", "jobs", ["position"], sqlite_where=archived, postgresql_where=archived
    )
