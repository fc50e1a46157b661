"""refunds.traceparent: the gateway's call belongs to the trace of the request or event that the refund follows from."""

import sqlalchemy as sa
from alembic import op

revision = "0108"
down_revision = "0107"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("refunds", sa.Column("traceparent", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("refunds", "traceparent")
