"""the prior price of each reduction, when a product was put on sale first, price lists,
and prices of customer groups."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from service_kit.audit.triggers import TRIGGER, audit

revision = "0108"
down_revision = "0107"
branch_labels = None
depends_on = None

RECORD = """
CREATE OR REPLACE FUNCTION record_base_price() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO base_price_history (id, product_id, amount, currency, effective_from, prior_amount)
    VALUES (uuidv7(), NEW.id, NEW.price_amount, NEW.price_currency, clock_timestamp(), NEW.price_prior_amount);
    RETURN NULL;
END $$
"""
FORMER_RECORD = """
CREATE OR REPLACE FUNCTION record_base_price() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO base_price_history (id, product_id, amount, currency, effective_from)
    VALUES (uuidv7(), NEW.id, NEW.price_amount, NEW.price_currency, clock_timestamp());
    RETURN NULL;
END $$
"""
SEARCHED = ["sort_key", "search_text", "search_vector"]


def upgrade() -> None:
    op.add_column("products", sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("products", sa.Column("price_prior_amount", sa.BigInteger(), nullable=True))
    op.add_column("prices", sa.Column("prior_amount", sa.BigInteger(), nullable=True))
    op.add_column("base_price_history", sa.Column("prior_amount", sa.BigInteger(), nullable=True))
    op.execute(RECORD)
    op.add_column("prices", sa.Column("list_id", sa.Uuid(), nullable=True))
    op.add_column("prices", sa.Column("rule_id", sa.Uuid(), nullable=True))
    op.add_column("prices", sa.Column("why", postgresql.JSONB(), nullable=True))
    _create_price_lists()
    _create_group_prices()
    _audit(["price_prior_amount"], ["prior_amount"])


def downgrade() -> None:
    _audit([], [])
    op.execute(FORMER_RECORD)
    op.drop_table("group_prices")
    op.drop_table("price_list_entries")
    op.drop_table("price_lists")
    op.drop_column("prices", "why")
    op.drop_column("prices", "rule_id")
    op.drop_column("prices", "list_id")
    op.drop_column("base_price_history", "prior_amount")
    op.drop_column("prices", "prior_amount")
    op.drop_column("products", "price_prior_amount")
    op.drop_column("products", "activated_at")


def _create_price_lists() -> None:
    op.create_table(
        "price_lists",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("customer_group", sa.Uuid(), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("after_id", sa.Uuid(), nullable=False),
        sa.Column("products", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('draft', 'activating', 'active', 'ending', 'ended')", name=op.f("ck_price_lists_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_lists")),
    )
    op.create_index("ix_price_lists_state", "price_lists", ["state", "id"])
    op.create_table(
        "price_list_entries",
        sa.Column("list_id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("min_quantity", sa.Integer(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_price_list_entries_amount")),
        sa.CheckConstraint("min_quantity > 0", name=op.f("ck_price_list_entries_min_quantity")),
        sa.ForeignKeyConstraint(
            ["list_id"], ["price_lists.id"], name=op.f("fk_price_list_entries_list_id_price_lists"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["product_id"],
            ["products.id"],
            name=op.f("fk_price_list_entries_product_id_products"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("list_id", "product_id", "min_quantity", name=op.f("pk_price_list_entries")),
    )
    op.create_index(op.f("ix_price_list_entries_product_id"), "price_list_entries", ["product_id"])
    op.execute(audit("price_lists", "price-list", ignored=["after_id", "done", "skipped", "products"]))
    op.execute(audit("price_list_entries", "price-list-entry", id="product_id"))


def _create_group_prices() -> None:
    op.create_table(
        "group_prices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("customer_group", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("min_quantity", sa.Integer(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("list_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_group_prices_amount")),
        sa.CheckConstraint("ends_at >= starts_at", name=op.f("ck_group_prices_ends_at")),
        sa.CheckConstraint("min_quantity > 0", name=op.f("ck_group_prices_min_quantity")),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.id"], name=op.f("fk_group_prices_product_id_products"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_group_prices")),
    )
    op.create_index("ix_group_prices_product_id_starts_at", "group_prices", ["product_id", "starts_at", "id"])
    op.create_index(
        "ix_group_prices_list_id",
        "group_prices",
        ["list_id", "product_id"],
        postgresql_where=sa.text("list_id IS NOT NULL"),
    )
    op.create_index(
        "uq_group_prices_start",
        "group_prices",
        ["product_id", "customer_group", "currency", "min_quantity", "starts_at"],
        unique=True,
        postgresql_where=sa.text("ends_at IS NULL OR ends_at > starts_at"),
    )
    op.execute(audit("group_prices", "group-price"))


def _audit(of_products: list[str], of_prices: list[str]) -> None:
    """Computed columns are not in the audit log: the prices that they follow from are."""
    op.execute(f"DROP TRIGGER {TRIGGER} ON products")
    op.execute(audit("products", "product", ignored=[*SEARCHED, *of_products]))
    op.execute(f"DROP TRIGGER {TRIGGER} ON prices")
    op.execute(audit("prices", "price", ignored=of_prices))
