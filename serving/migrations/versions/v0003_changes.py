"""Changes of items."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "changes",
        sa.Column("id", NUMBER, primary_key=True, autoincrement=True),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("item_id", sa.String, nullable=False),
        sa.Column("said", sa.String, nullable=False),
        sa.Column("patch", sa.String, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("key", name="changes_once"),
    )
    op.create_index("changes_of_item", "changes", ["item_id", "id"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("changes")
