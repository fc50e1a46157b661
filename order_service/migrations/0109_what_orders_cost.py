"""taxes, shipping methods and promotions, and what an order stores of them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from service_kit.audit.triggers import audit

revision = "0109"
down_revision = "0108"
branch_labels = None
depends_on = None


# Without a row the version is 0: nothing was configured yet.
NEXT_VERSION = """
CREATE FUNCTION next_rules_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO commerce_rules (id, version, customer_secret)
    VALUES (1, 1, uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
    ON CONFLICT (id) DO UPDATE SET version = commerce_rules.version + 1;
    RETURN NULL;
END $$
"""
RULES = {
    "tax_zones": "tax-zone",
    "tax_rates": "tax-rate",
    "shipping_zones": "shipping-zone",
    "shipping_methods": "shipping-method",
    "promotions": "promotion",
}
"""The tables whose rows price orders, and what the audit log calls a row."""


def upgrade() -> None:
    op.create_table(
        "commerce_rules",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("customer_secret", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_commerce_rules_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commerce_rules")),
    )
    op.create_table(
        "order_adjustments",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("promotion_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("order_id", "position", "promotion_id", name=op.f("pk_order_adjustments")),
    )
    op.create_table(
        "promotion_customers",
        sa.Column("promotion_id", sa.Uuid(), nullable=False),
        sa.Column("customer_key", sa.LargeBinary(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("most", sa.Integer(), nullable=False),
        sa.CheckConstraint("used BETWEEN 0 AND most", name=op.f("ck_promotion_customers_used")),
        sa.PrimaryKeyConstraint("promotion_id", "customer_key", name=op.f("pk_promotion_customers")),
    )
    op.create_table(
        "promotions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("effect", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("scope", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("conditions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("automatic", sa.Boolean(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("stops", sa.Boolean(), nullable=False),
        sa.Column("use_limit", sa.BigInteger(), nullable=True),
        sa.Column("use_limit_per_customer", sa.Integer(), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("stage IN ('lines', 'order', 'shipping')", name=op.f("ck_promotions_stage")),
        sa.CheckConstraint("status IN ('draft', 'active', 'ended')", name=op.f("ck_promotions_status")),
        sa.CheckConstraint(
            "NOT automatic OR (use_limit IS NULL AND use_limit_per_customer IS NULL)", name=op.f("ck_promotions_limits")
        ),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_promotions_period")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promotions")),
    )
    op.create_index("ix_promotions_status_id", "promotions", ["status", "id"], unique=False)
    op.create_table(
        "redemptions",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("promotion_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("customer_key", sa.LargeBinary(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("order_id", "promotion_id", name=op.f("pk_redemptions")),
    )
    op.create_index(
        "ix_redemptions_customer_key",
        "redemptions",
        ["customer_key"],
        unique=False,
        postgresql_where=sa.text("customer_key IS NOT NULL"),
    )
    op.create_index("ix_redemptions_promotion_id", "redemptions", ["promotion_id", "order_id"], unique=False)
    op.create_table(
        "shipping_zones",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("countries", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("regions", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("postal_prefixes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shipping_zones")),
        sa.UniqueConstraint("name", name=op.f("uq_shipping_zones_name")),
    )
    op.create_table(
        "tax_ids",
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("country", sa.String(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("check_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reference", sa.String(), nullable=True),
        sa.CheckConstraint("state IN ('unchecked', 'valid', 'invalid', 'unreachable')", name=op.f("ck_tax_ids_state")),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_tax_ids")),
    )
    op.create_index("ix_tax_ids_check_at", "tax_ids", ["check_at"], unique=False)
    op.create_table(
        "tax_zones",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("countries", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("regions", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("rounding", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("prices_include_tax", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("mode IN ('half_up', 'down')", name=op.f("ck_tax_zones_mode")),
        sa.CheckConstraint("rounding IN ('line', 'rate')", name=op.f("ck_tax_zones_rounding")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tax_zones")),
        sa.UniqueConstraint("name", name=op.f("uq_tax_zones_name")),
    )
    op.create_table(
        "promotion_codes",
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("promotion_id", sa.Uuid(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("most", sa.Integer(), nullable=True),
        sa.CheckConstraint("used BETWEEN 0 AND most", name=op.f("ck_promotion_codes_used")),
        sa.ForeignKeyConstraint(
            ["promotion_id"], ["promotions.id"], name=op.f("fk_promotion_codes_promotion_id_promotions")
        ),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_promotion_codes")),
    )
    op.create_index("ix_promotion_codes_promotion_id", "promotion_codes", ["promotion_id", "code"], unique=False)
    op.create_table(
        "promotion_uses",
        sa.Column("promotion_id", sa.Uuid(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("most", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("used BETWEEN 0 AND most", name=op.f("ck_promotion_uses_used")),
        sa.ForeignKeyConstraint(
            ["promotion_id"], ["promotions.id"], name=op.f("fk_promotion_uses_promotion_id_promotions")
        ),
        sa.PrimaryKeyConstraint("promotion_id", name=op.f("pk_promotion_uses")),
    )
    op.create_table(
        "shipping_methods",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("zone_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("warehouse_id", sa.Uuid(), nullable=True),
        sa.Column("tax", sa.String(), nullable=False),
        sa.Column("rates", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("free_from", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("min_days", sa.Integer(), nullable=False),
        sa.Column("max_days", sa.Integer(), nullable=False),
        sa.Column("cutoff", sa.Time(), nullable=True),
        sa.Column("default_weight", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('delivery', 'pickup')", name=op.f("ck_shipping_methods_kind")),
        sa.CheckConstraint("status IN ('active', 'disabled')", name=op.f("ck_shipping_methods_status")),
        sa.ForeignKeyConstraint(
            ["zone_id"], ["shipping_zones.id"], name=op.f("fk_shipping_methods_zone_id_shipping_zones")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shipping_methods")),
        sa.UniqueConstraint("zone_id", "code", name=op.f("uq_shipping_methods_zone_id_code")),
    )
    op.create_table(
        "tax_rates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("zone_id", sa.Uuid(), nullable=False),
        sa.Column("tax_class", sa.String(), nullable=False),
        sa.Column("rate", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_tax_rates_period")),
        sa.CheckConstraint("rate BETWEEN 0 AND 1000000", name=op.f("ck_tax_rates_rate")),
        sa.ForeignKeyConstraint(["zone_id"], ["tax_zones.id"], name=op.f("fk_tax_rates_zone_id_tax_zones")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tax_rates")),
    )
    op.create_index("ix_tax_rates_zone_id", "tax_rates", ["zone_id", "tax_class"], unique=False)
    op.add_column("carts", sa.Column("codes", sa.ARRAY(sa.Text()), server_default="{}", nullable=False))
    op.add_column(
        "catalogue_products",
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
    )
    op.add_column("order_lines", sa.Column("tax_rate", sa.Integer(), server_default="0", nullable=False))
    op.add_column("order_lines", sa.Column("total", sa.BigInteger(), nullable=True))
    op.add_column("orders", sa.Column("discount", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("orders", sa.Column("tax", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column(
        "orders", sa.Column("prices_include_tax", sa.Boolean(), server_default=sa.text("true"), nullable=False)
    )
    op.add_column("orders", sa.Column("shipping", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("orders", sa.Column("tax_note", sa.String(), nullable=True))
    op.add_column("orders", sa.Column("tax_id", sa.String(), nullable=True))
    op.add_column("orders", sa.Column("bill_to", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("orders", sa.Column("redeemed", sa.SmallInteger(), server_default="0", nullable=False))
    op.execute(NEXT_VERSION)
    for table, resource in RULES.items():
        op.execute(f"""
            CREATE TRIGGER next_rules_version AFTER INSERT OR UPDATE OR DELETE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION next_rules_version()
        """)
        op.execute(audit(table, resource))
    op.execute(audit("promotion_codes", "promotion-code", id="code", ignored=["used"]))


def downgrade() -> None:
    op.execute("DROP FUNCTION next_rules_version() CASCADE")
    op.drop_column("orders", "redeemed")
    op.drop_column("orders", "bill_to")
    op.drop_column("orders", "tax_id")
    op.drop_column("orders", "tax_note")
    op.drop_column("orders", "shipping")
    op.drop_column("orders", "prices_include_tax")
    op.drop_column("orders", "tax")
    op.drop_column("orders", "discount")
    op.drop_column("order_lines", "total")
    op.drop_column("order_lines", "tax_rate")
    op.drop_column("catalogue_products", "facts")
    op.drop_column("carts", "codes")
    op.drop_index("ix_tax_rates_zone_id", table_name="tax_rates")
    op.drop_table("tax_rates")
    op.drop_table("shipping_methods")
    op.drop_table("promotion_uses")
    op.drop_index("ix_promotion_codes_promotion_id", table_name="promotion_codes")
    op.drop_table("promotion_codes")
    op.drop_table("tax_zones")
    op.drop_index("ix_tax_ids_check_at", table_name="tax_ids")
    op.drop_table("tax_ids")
    op.drop_table("shipping_zones")
    op.drop_index("ix_redemptions_promotion_id", table_name="redemptions")
    op.drop_index(
        "ix_redemptions_customer_key", table_name="redemptions", postgresql_where=sa.text("customer_key IS NOT NULL")
    )
    op.drop_table("redemptions")
    op.drop_index("ix_promotions_status_id", table_name="promotions")
    op.drop_table("promotions")
    op.drop_table("promotion_customers")
    op.drop_table("order_adjustments")
    op.drop_table("commerce_rules")
