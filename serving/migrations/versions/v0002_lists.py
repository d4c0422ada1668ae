"""Lists of an experiment, with the probability of each place."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "lists",
        sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("user_id", sa.String, nullable=False),
        sa.Column("request", sa.String, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("bundle", sa.String, nullable=False),
        sa.Column("arm", sa.String, nullable=False),
        sa.Column("share", sa.Float, nullable=False),
        sa.Column("slot", sa.Float, nullable=False),
        sa.Column("new", sa.Integer),
        sa.Column("items", sa.Text, nullable=False),
        sa.Column("propensities", sa.Text, nullable=False),
        sa.UniqueConstraint("user_id", "request", name="lists_once"),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("lists")
