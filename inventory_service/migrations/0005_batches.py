"""batches."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Of what came in before with a date, that much is there as is left of it if what expires first has left first, and pieces
# without a date last.
REMAINING = """
WITH dated AS (
    SELECT line.product_id, receipt.warehouse_id, line.expires_on, coalesce(line.batch, '') AS batch,
           sum(line.quantity) AS quantity
    FROM stock_receipt_lines AS line JOIN stock_receipts AS receipt ON receipt.id = line.receipt_id
    WHERE line.expires_on IS NOT NULL GROUP BY 1, 2, 3, 4
), place AS (
    SELECT product_id, warehouse_id, sum(quantity) AS came FROM dated GROUP BY 1, 2
), undated AS (
    SELECT product_id, warehouse_id, coalesce(sum(moved.quantity) FILTER (WHERE moved.quantity > 0), 0) - came AS pieces
    FROM place LEFT JOIN stock_movements AS moved USING (product_id, warehouse_id)
    GROUP BY product_id, warehouse_id, came
), remaining AS (
    SELECT dated.product_id, dated.warehouse_id, dated.expires_on, dated.batch,
           least(dated.quantity, stock.on_hand - greatest(undated.pieces, 0) - sum(dated.quantity) OVER (
               PARTITION BY dated.product_id, dated.warehouse_id ORDER BY dated.expires_on DESC, dated.batch DESC
           ) + dated.quantity) AS quantity
    FROM dated JOIN undated USING (product_id, warehouse_id) JOIN stock USING (product_id, warehouse_id)
)
INSERT INTO stock_batches (product_id, warehouse_id, expires_on, batch, quantity)
SELECT product_id, warehouse_id, expires_on, batch, quantity FROM remaining WHERE quantity > 0
"""
# `next_expiry` is not later than the first batch's day: the service finds out itself which of them have expired.
REFRESH = """
UPDATE stock SET dated = found.dated, next_expiry = found.next_expiry FROM (
    SELECT product_id, warehouse_id, sum(quantity) AS dated, min(expires_on) AS next_expiry
    FROM stock_batches GROUP BY product_id, warehouse_id
) AS found
WHERE (stock.product_id, stock.warehouse_id) = (found.product_id, found.warehouse_id)
"""


def upgrade() -> None:
    op.create_table(
        "stock_batches",
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("warehouse_id", sa.Uuid(), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=False),
        sa.Column("batch", sa.String(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("quantity >= 0", name=op.f("ck_stock_batches_quantity_not_negative")),
        sa.PrimaryKeyConstraint("product_id", "warehouse_id", "expires_on", "batch", name=op.f("pk_stock_batches")),
    )
    op.add_column("stock", sa.Column("dated", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("stock", sa.Column("expired", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("stock", sa.Column("next_expiry", sa.Date(), nullable=True))
    op.add_column("stock_movements", sa.Column("batch", sa.String(), nullable=True))
    op.add_column("stock_movements", sa.Column("expires_on", sa.Date(), nullable=True))
    op.execute(REMAINING)
    op.execute(REFRESH)
    op.execute(
        "ALTER TABLE stock ADD CONSTRAINT ck_stock_dated_is_there CHECK (dated <= on_hand),"
        " ADD CONSTRAINT ck_stock_expired_is_dated CHECK (expired BETWEEN 0 AND dated)"
    )
    op.create_index(
        "ix_stock_next_expiry",
        "stock",
        ["next_expiry"],
        unique=False,
        postgresql_where=sa.text("next_expiry IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_stock_next_expiry", table_name="stock", postgresql_where=sa.text("next_expiry IS NOT NULL"))
    op.drop_constraint("ck_stock_expired_is_dated", "stock")
    op.drop_constraint("ck_stock_dated_is_there", "stock")
    op.drop_column("stock_movements", "expires_on")
    op.drop_column("stock_movements", "batch")
    op.drop_column("stock", "next_expiry")
    op.drop_column("stock", "expired")
    op.drop_column("stock", "dated")
    op.drop_table("stock_batches")
