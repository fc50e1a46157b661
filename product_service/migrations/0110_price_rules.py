"""price rules, the queue of products that they are evaluated for, and the demand for products by day."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from service_kit.audit.triggers import audit

revision = "0110"
down_revision = "0109"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "price_rules",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("scope", postgresql.JSONB(), nullable=False),
        sa.Column("time_window", postgresql.JSONB(), nullable=False),
        sa.Column("conditions", postgresql.JSONB(), nullable=False),
        sa.Column("change_bp", sa.Integer(), nullable=True),
        sa.Column("change_amount", sa.BigInteger(), nullable=True),
        sa.Column("floor", sa.BigInteger(), nullable=True),
        sa.Column("ceiling", sa.BigInteger(), nullable=True),
        sa.Column("ending", sa.Integer(), nullable=True),
        sa.Column("cooldown_seconds", sa.Integer(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=True),
        sa.Column("demand_on", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(change_bp IS NULL) <> (change_amount IS NULL)", name=op.f("ck_price_rules_change")),
        sa.CheckConstraint("floor <= ceiling", name=op.f("ck_price_rules_floor")),
        sa.CheckConstraint("ending BETWEEN 0 AND 99", name=op.f("ck_price_rules_ending")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_rules")),
    )
    op.execute(audit("price_rules", "price-rule", ignored=["is_open", "demand_on"]))
    op.create_table(
        "price_rule_queue",
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("product_id", name=op.f("pk_price_rule_queue")),
    )
    op.create_index("ix_price_rule_queue_due_at", "price_rule_queue", ["due_at"])
    op.create_table(
        "product_demand",
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("pieces", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("product_id", "day", name=op.f("pk_product_demand")),
    )


def downgrade() -> None:
    op.drop_table("product_demand")
    op.drop_table("price_rule_queue")
    op.drop_table("price_rules")
