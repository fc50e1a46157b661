"""invoices and credit notes, their series, and which pieces a refund pays for."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from service_kit.database.append_only import append_only, drop_append_only

revision = "0117"
down_revision = "0116"
branch_labels = None
depends_on = None

# The personal data of an invoice may be deleted, once the law no longer requires it, but not changed.
ONLY_DELETED = """
CREATE FUNCTION refuse_to_change_recipients_of_invoices() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'recipients of invoices are only added and deleted' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER only_deleted BEFORE UPDATE ON invoice_recipients
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_recipients_of_invoices();
"""


def upgrade() -> None:
    op.create_table(
        "invoice_policy",
        sa.Column("id", sa.SmallInteger(), server_default=sa.text("1"), autoincrement=False, nullable=False),
        sa.Column("issue_at", sa.String(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_invoice_policy_one_row")),
        sa.CheckConstraint("issue_at IN ('paid', 'dispatched')", name=op.f("ck_invoice_policy_issue_at")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoice_policy")),
    )
    op.create_table(
        "invoice_requests",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("refund_id", sa.Uuid(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoice_requests")),
    )
    op.create_index("ix_invoice_requests_order_id", "invoice_requests", ["order_id"], unique=False)
    op.create_table(
        "invoice_series",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("next", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoice_series")),
        sa.UniqueConstraint("prefix", "year", name=op.f("uq_invoice_series_prefix_year")),
    )
    op.create_table(
        "invoices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("series", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("cause", sa.String(), nullable=False),
        sa.Column("content", postgresql.JSONB(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("tax", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("kind IN ('invoice', 'credit_note')", name=op.f("ck_invoices_kind")),
        sa.ForeignKeyConstraint(["series"], ["invoice_series.id"], name=op.f("fk_invoices_series_invoice_series")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invoices")),
        sa.UniqueConstraint("series", "number", name=op.f("uq_invoices_series_number")),
        sa.UniqueConstraint("order_id", "kind", "cause", name=op.f("uq_invoices_order_id_kind_cause")),
    )
    op.create_index("ix_invoices_issued_at_id", "invoices", ["issued_at", "id"], unique=False)
    op.execute(append_only("invoices", "the invoices"))
    op.create_table(
        "invoice_recipients",
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("content", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["invoices.id"], name=op.f("fk_invoice_recipients_invoice_id_invoices")
        ),
        sa.PrimaryKeyConstraint("invoice_id", name=op.f("pk_invoice_recipients")),
    )
    op.execute(ONLY_DELETED)
    op.add_column("refunds", sa.Column("pieces", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column("refunds", "pieces")
    op.execute("DROP FUNCTION refuse_to_change_recipients_of_invoices() CASCADE")
    op.drop_table("invoice_recipients")
    op.execute(drop_append_only("the invoices"))
    op.drop_table("invoices")
    op.drop_table("invoice_series")
    op.drop_table("invoice_requests")
    op.drop_table("invoice_policy")
