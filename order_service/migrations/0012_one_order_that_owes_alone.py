"""one unpaid order that was placed without counting."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

UNPAID = sa.text("client_address IS NOT NULL")


def upgrade() -> None:
    op.add_column("orders", sa.Column("owes_alone", sa.Boolean(), nullable=True))
    op.create_index("uq_orders_owes_alone", "orders", ["user_id", "owes_alone"], unique=True, postgresql_where=UNPAID)
    op.drop_index("ix_orders_unpaid_user", table_name="orders")


def downgrade() -> None:
    op.create_index("ix_orders_unpaid_user", "orders", ["user_id"], postgresql_where=UNPAID)
    op.drop_index("uq_orders_owes_alone", table_name="orders")
    op.drop_column("orders", "owes_alone")
