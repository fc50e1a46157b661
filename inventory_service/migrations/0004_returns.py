"""returns."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# NOT VALID: what is there has passed a narrower one, and nobody waits while a long ledger is read again.
KIND = """
ALTER TABLE stock_movements DROP CONSTRAINT ck_stock_movements_kind,
    ADD CONSTRAINT ck_stock_movements_kind CHECK (kind IN ({kinds})) NOT VALID
"""


def upgrade() -> None:
    op.create_table(
        "returns",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("lines", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("warehouse_id", sa.Uuid(), nullable=True),
        sa.Column("received_by", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status IN ('expected', 'received')", name=op.f("ck_returns_status")),
        sa.ForeignKeyConstraint(["warehouse_id"], ["warehouses.id"], name=op.f("fk_returns_warehouse_id_warehouses")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_returns")),
    )
    op.create_index(op.f("ix_returns_order_id"), "returns", ["order_id"], unique=False)
    op.create_index("ix_returns_status_id", "returns", ["status", "id"], unique=False)
    op.create_index("ix_returns_user_id_id", "returns", ["user_id", "id"], unique=False)
    op.create_index(op.f("ix_returns_warehouse_id"), "returns", ["warehouse_id"], unique=False)
    op.add_column("stock_movements", sa.Column("return_id", sa.Uuid(), nullable=True))
    op.execute(KIND.format(kinds="'receipt', 'adjustment', 'dispatch', 'return'"))


def downgrade() -> None:
    op.execute(KIND.format(kinds="'receipt', 'adjustment', 'dispatch'"))
    op.drop_column("stock_movements", "return_id")
    op.drop_index(op.f("ix_returns_warehouse_id"), table_name="returns")
    op.drop_index("ix_returns_user_id_id", table_name="returns")
    op.drop_index("ix_returns_status_id", table_name="returns")
    op.drop_index(op.f("ix_returns_order_id"), table_name="returns")
    op.drop_table("returns")
