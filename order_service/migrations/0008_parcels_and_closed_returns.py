"""parcels' tracking pages and lines, closed returns."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# NOT VALID: what is there has passed a narrower one, and nobody waits while a long table is read again.
STATUS = """
ALTER TABLE returns DROP CONSTRAINT ck_returns_status,
    ADD CONSTRAINT ck_returns_status CHECK (status IN ({statuses})) NOT VALID
"""
BEFORE = "'requested', 'approved', 'refused', 'withdrawn', 'received', 'refunded'"


def upgrade() -> None:
    op.add_column("order_shipments", sa.Column("tracking_url", sa.String(), nullable=True))
    op.add_column("order_shipments", sa.Column("lines", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("returns", sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(STATUS.format(statuses=f"{BEFORE}, 'closed'"))


def downgrade() -> None:
    op.execute(STATUS.format(statuses=BEFORE))
    op.drop_column("returns", "closed_at")
    op.drop_column("order_shipments", "lines")
    op.drop_column("order_shipments", "tracking_url")
