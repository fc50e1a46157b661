"""customers are `customer_id`."""

from alembic import op

revision = "0101"
down_revision = "0100"
branch_labels = None
depends_on = None

TABLES = ("recipients", "preferences", "notifications", "deliveries")


def upgrade() -> None:
    for table in TABLES:
        op.alter_column(table, "user_id", new_column_name="customer_id")


def downgrade() -> None:
    for table in TABLES:
        op.alter_column(table, "customer_id", new_column_name="user_id")
