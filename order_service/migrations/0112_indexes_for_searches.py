"""indexes for searches: payment status, product, e-mail address and name."""

import sqlalchemy as sa
from alembic import op

from service_kit.database.migrations import create_index_concurrently

revision = "0112"
down_revision = "0111"
branch_labels = None
depends_on = None


def upgrade() -> None:
    payment_status = sa.text("payment_status(total, captured, refunded)")
    rare = sa.text(f"{payment_status} NOT IN ('paid', 'unpaid')")
    create_index_concurrently("ix_orders_payment_status", "orders", [payment_status, "id"], postgresql_where=rare)
    create_index_concurrently("ix_order_lines_product_id_order_id", "order_lines", ["product_id", "order_id"])
    create_index_concurrently("ix_catalogue_products_sku", "catalogue_products", ["sku"])
    email = sa.text("lower(normalize(email, NFKC))")
    create_index_concurrently("ix_account_status_email_key", "account_status", [email])
    create_index_concurrently(
        "ix_account_status_name",
        "account_status",
        [sa.literal_column("fold(name)").label("searched")],
        postgresql_using="gin",
        postgresql_ops={"searched": "gin_trgm_ops"},
    )


def downgrade() -> None:
    for name, table in (
        ("ix_account_status_name", "account_status"),
        ("ix_account_status_email_key", "account_status"),
        ("ix_catalogue_products_sku", "catalogue_products"),
        ("ix_order_lines_product_id_order_id", "order_lines"),
        ("ix_orders_payment_status", "orders"),
    ):
        op.drop_index(name, table_name=table)
