"""Events and erasures."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make both tables."""
    op.create_table(
        "events",
        sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("item_id", sa.String, nullable=False),
        sa.Column("event", sa.String, nullable=False),
        sa.Column("value", sa.Float),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("received", sa.BigInteger, nullable=False),
        sa.Column("request", sa.String),
        sa.Column("rank", sa.Integer),
        sa.Column("bundle", sa.String),
        sa.Column("propensity", sa.Float),
        sa.UniqueConstraint("user_id", "key", name="events_once"),
    )
    op.create_index("events_of_user", "events", ["user_id", "time"])
    op.create_table(
        "erasures",
        sa.Column("user_id", sa.String, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("events", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Drop both tables."""
    op.drop_table("erasures")
    op.drop_table("events")
