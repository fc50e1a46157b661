"""drafts of orders, and links by which customers pay."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from service_kit.audit.triggers import audit

revision = "0116"
down_revision = "0115"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "drafts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('open', 'placed', 'dropped')", name=op.f("ck_drafts_status")),
        sa.CheckConstraint("(status = 'placed') = (order_id IS NOT NULL)", name=op.f("ck_drafts_placed")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drafts")),
    )
    op.create_index("ix_drafts_status_id", "drafts", ["status", "id"], unique=False)
    op.create_index("ix_drafts_customer_id_id", "drafts", ["customer_id", "id"], unique=False)
    op.create_index(
        "ix_drafts_expires_at", "drafts", ["expires_at"], unique=False, postgresql_where=sa.text("status = 'open'")
    )
    op.create_index("uq_drafts_order_id", "drafts", ["order_id"], unique=True)
    op.create_table(
        "invalid_link_attempts",
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_invalid_link_attempts")),
    )
    op.create_index(op.f("ix_invalid_link_attempts_since"), "invalid_link_attempts", ["since"], unique=False)
    op.create_table(
        "payment_links",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("draft_id", sa.Uuid(), nullable=True),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("num_nonnulls(draft_id, order_id) = 1", name=op.f("ck_payment_links_subject")),
        sa.ForeignKeyConstraint(
            ["draft_id"], ["drafts.id"], name=op.f("fk_payment_links_draft_id_drafts"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_payment_links_order_id_orders")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_links")),
        sa.UniqueConstraint("draft_id", name=op.f("uq_payment_links_draft_id")),
        sa.UniqueConstraint("order_id", name=op.f("uq_payment_links_order_id")),
    )
    op.execute(audit("payment_links", "payment-link", withheld=["secret_hash"], ignored=["created_by"]))
    op.execute(audit("drafts", "draft", withheld=["content", "note"], ignored=["created_by"]))


def downgrade() -> None:
    op.drop_table("payment_links")
    op.drop_table("invalid_link_attempts")
    op.drop_table("drafts")
