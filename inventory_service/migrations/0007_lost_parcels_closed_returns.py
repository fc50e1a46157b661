"""lost parcels, closed returns."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# NOT VALID: what is there has passed a narrower one, and nobody waits while a long table is read again.
STATUS = """
ALTER TABLE {table} DROP CONSTRAINT ck_{table}_status,
    ADD CONSTRAINT ck_{table}_status CHECK (status IN ({statuses})) NOT VALID
"""


def upgrade() -> None:
    op.add_column("shipments", sa.Column("tracking_url", sa.String(), nullable=True))
    op.add_column(
        "shipments",
        sa.Column(
            "corrections", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False
        ),
    )
    op.add_column("shipments", sa.Column("lost_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("returns", sa.Column("closed_by", sa.Uuid(), nullable=True))
    op.add_column("returns", sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True))
    kinds = "'created', 'dispatched', 'delivered', 'lost', 'cancelled'"
    op.execute(STATUS.format(table="shipments", statuses=kinds))
    op.execute(STATUS.format(table="returns", statuses="'expected', 'received', 'closed'"))


def downgrade() -> None:
    op.execute(STATUS.format(table="returns", statuses="'expected', 'received'"))
    op.execute(STATUS.format(table="shipments", statuses="'created', 'dispatched', 'delivered', 'cancelled'"))
    op.drop_column("returns", "closed_at")
    op.drop_column("returns", "closed_by")
    op.drop_column("shipments", "lost_at")
    op.drop_column("shipments", "corrections")
    op.drop_column("shipments", "tracking_url")
