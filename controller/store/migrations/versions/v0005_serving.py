"""What only a serving controller keeps: tokens, parts, contacts, due times, marks, news, answers, letters and troubles."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the tables, all of them empty, and begin to count news."""
    _who_calls()
    _what_is_known()
    _what_is_told()


def _who_calls() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("used_at", sa.Text),
        sa.Column("used_from", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
    )
    op.create_table(
        "answers",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("key", "caller", name="pk_answers"),
    )
    op.create_index("ix_answers_at", "answers", ["at"])


def _what_is_known() -> None:
    op.create_table(
        "parts",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("instance", sa.Text, nullable=False),
        sa.Column("seen_at", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", "instance", name="pk_parts"),
    )
    op.create_table(
        "contacts",
        sa.Column("server", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("server", name="pk_contacts"),
    )
    op.create_table(
        "dues",
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("due", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("target", "due", name="pk_dues"),
    )
    op.create_table(
        "marks",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_marks"),
    )


def _what_is_told() -> None:
    counters = op.create_table(
        "counters",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counters"),
    )
    op.bulk_insert(counters, [{"name": "news", "value": 0}])
    seq = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "news",
        sa.Column("seq", seq, autoincrement=False, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_news"),
    )
    op.create_table(
        "letters",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("created", sa.Text, nullable=False),
        sa.Column("due", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_letters"),
    )
    op.create_index("ix_letters_state_due", "letters", ["state", "due"])
    op.create_index("ix_letters_created", "letters", ["created"])
    op.create_table(
        "troubles",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_troubles"),
    )
