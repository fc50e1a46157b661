"""returns."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "returns",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("lines", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("refusal", sa.String(), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("worth", sa.BigInteger(), nullable=True),
        sa.Column("to_refund", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('requested', 'approved', 'refused', 'withdrawn', 'received', 'refunded')",
            name=op.f("ck_returns_status"),
        ),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_returns_order_id_orders")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_returns")),
    )
    op.create_index("ix_returns_order_id_id", "returns", ["order_id", "id"], unique=False)
    op.create_index("ix_returns_status_id", "returns", ["status", "id"], unique=False)
    op.create_index("ix_returns_user_id", "returns", ["user_id"], unique=False)
    op.add_column("refunds", sa.Column("return_id", sa.Uuid(), nullable=True))


def downgrade() -> None:
    op.drop_column("refunds", "return_id")
    op.drop_index("ix_returns_user_id", table_name="returns")
    op.drop_index("ix_returns_status_id", table_name="returns")
    op.drop_index("ix_returns_order_id_id", table_name="returns")
    op.drop_table("returns")
