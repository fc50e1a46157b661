"""customers are `customer_id`."""

from alembic import op

revision = "0104"
down_revision = "0103"
branch_labels = None
depends_on = None

TABLES = ("orders", "payments", "returns", "carts", "cart_items")


def upgrade() -> None:
    _rename("user_id", "customer_id")


def downgrade() -> None:
    _rename("customer_id", "user_id")


def _rename(old: str, new: str) -> None:
    for table in TABLES:
        op.alter_column(table, old, new_column_name=new)
    op.execute(f"ALTER INDEX ix_orders_{old}_id RENAME TO ix_orders_{new}_id")
    definition = f"replace(pg_get_functiondef('unpaid_limit'::regproc), '{old}', '{new}')"
    op.execute(f"DO $$ BEGIN EXECUTE {definition}; END $$")
