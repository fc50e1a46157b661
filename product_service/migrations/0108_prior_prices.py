"""the prior price of each reduction, and when a product was put on sale first."""

import sqlalchemy as sa
from alembic import op

from service_kit.audit.triggers import TRIGGER, audit

revision = "0108"
down_revision = "0105"
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
    _audit(["price_prior_amount"], ["prior_amount"])


def downgrade() -> None:
    _audit([], [])
    op.execute(FORMER_RECORD)
    op.drop_column("base_price_history", "prior_amount")
    op.drop_column("prices", "prior_amount")
    op.drop_column("products", "price_prior_amount")
    op.drop_column("products", "activated_at")


def _audit(of_products: list[str], of_prices: list[str]) -> None:
    """Computed columns are not in the audit log: the prices that they follow from are."""
    op.execute(f"DROP TRIGGER {TRIGGER} ON products")
    op.execute(audit("products", "product", ignored=[*SEARCHED, *of_products]))
    op.execute(f"DROP TRIGGER {TRIGGER} ON prices")
    op.execute(audit("prices", "price", ignored=of_prices))
