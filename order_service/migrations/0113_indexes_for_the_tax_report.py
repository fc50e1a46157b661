"""when orders were paid, and when refunds were made, by index: for the tax report."""

import sqlalchemy as sa
from alembic import op

from service_kit.database.migrations import create_index_concurrently

revision = "0113"
down_revision = "0112"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_index_concurrently(
        "ix_order_history_paid_at",
        "order_history",
        ["at"],
        postgresql_where=sa.text("to_status = 'paid' AND from_status IN ('pending', 'awaiting_payment')"),
    )
    create_index_concurrently(
        "ix_refunds_settled_at", "refunds", ["settled_at"], postgresql_where=sa.text("status = 'succeeded'")
    )


def downgrade() -> None:
    op.drop_index("ix_refunds_settled_at", table_name="refunds")
    op.drop_index("ix_order_history_paid_at", table_name="order_history")
