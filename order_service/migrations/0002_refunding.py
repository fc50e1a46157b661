"""refunding."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("orders", sa.Column("refunding", sa.BigInteger(), server_default="0", nullable=False))
    op.execute(
        """
        UPDATE orders SET refunding = r.amount
        FROM (
            SELECT order_id, currency, sum(amount) AS amount FROM refunds
            WHERE status = 'requested' GROUP BY order_id, currency
        ) AS r
        WHERE orders.id = r.order_id AND orders.currency = r.currency
        """
    )


def downgrade() -> None:
    op.drop_column("orders", "refunding")
