"""every base price that a product has had, from now on."""

import sqlalchemy as sa
from alembic import op

from service_kit.database.append_only import append_only, drop_append_only

revision = "0101"
down_revision = "0100"
branch_labels = None
depends_on = None

# A product's row is locked when the trigger reads the clock, so that the prices of one product are in their order.
RECORD = """
CREATE FUNCTION record_base_price() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO base_price_history (id, product_id, amount, currency, effective_from)
    VALUES (uuidv7(), NEW.id, NEW.price_amount, NEW.price_currency, clock_timestamp());
    RETURN NULL;
END $$;
CREATE TRIGGER record_first_base_price AFTER INSERT ON products
    FOR EACH ROW EXECUTE FUNCTION record_base_price();
CREATE TRIGGER record_base_price AFTER UPDATE ON products
    FOR EACH ROW WHEN ((OLD.price_amount, OLD.price_currency) IS DISTINCT FROM (NEW.price_amount, NEW.price_currency))
    EXECUTE FUNCTION record_base_price();
"""
# Any change of a product sets `updated_at`: since then at the latest it has had its present price.
START = """
INSERT INTO base_price_history (id, product_id, amount, currency, effective_from)
SELECT uuidv7(), id, price_amount, price_currency, updated_at FROM products
"""


def upgrade() -> None:
    op.create_table(
        "base_price_history",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("effective_from", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_base_price_history")),
    )
    op.create_index("ix_base_price_history_product_id", "base_price_history", ["product_id", "effective_from"])
    op.execute(RECORD)
    op.execute(START)
    op.execute(append_only("base_price_history", "the history of base prices"))


def downgrade() -> None:
    op.execute("DROP FUNCTION record_base_price() CASCADE")
    op.execute(drop_append_only("the history of base prices"))
    op.drop_table("base_price_history")
