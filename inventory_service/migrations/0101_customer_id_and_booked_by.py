"""Renames the columns `user_id`: to `customer_id` for customers, to `booked_by` for accounts that book stock."""

from alembic import op

revision = "0101"
down_revision = "0100"
branch_labels = None
depends_on = None

COLUMNS = {
    ("shipments", "user_id"): "customer_id",
    ("returns", "user_id"): "customer_id",
    ("stock_movements", "user_id"): "booked_by",
    ("stock_receipts", "user_id"): "booked_by",
}
INDEXED = ("shipments", "returns")


def upgrade() -> None:
    for (table, old), new in COLUMNS.items():
        op.alter_column(table, old, new_column_name=new)
    for table in INDEXED:
        op.execute(f"ALTER INDEX ix_{table}_user_id_id RENAME TO ix_{table}_customer_id_id")


def downgrade() -> None:
    for table in INDEXED:
        op.execute(f"ALTER INDEX ix_{table}_customer_id_id RENAME TO ix_{table}_user_id_id")
    for (table, old), new in COLUMNS.items():
        op.alter_column(table, new, new_column_name=old)
