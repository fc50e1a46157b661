"""The tables of the order service."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from service_kit.audit.triggers import audit

revision = "0100"
down_revision = None
branch_labels = None
depends_on = None

# The last revision of the migrations that this one replaces: a database that has it has these tables.
REPLACES = "0012"

# Null: the order may be placed; else what it would go beyond: `account`, `address`, or the id of a product. Written in
# PL/pgSQL since each of its statements sees what others have committed while it waited for the lock: in one plain SQL
# statement the count would be that of the moment before.
UNPAID_LIMIT = """
CREATE FUNCTION unpaid_limit(
    account uuid, address text, orders_of_account int, orders_of_address int,
    products uuid[], quantities int[], largest bigint, share float8, least_pieces int
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    of_account int;
    of_address int := 0;
    refused uuid;
BEGIN
    -- As usual: nothing is held unpaid yet, and this is little. An IF, since PL/pgSQL evaluates an expression for less
    -- than a statement costs.
    IF pg_advisory_xact_lock(hashtextextended(account::text, 0)) IS NOT NULL
        AND (least_pieces IS NULL OR largest <= least_pieces)
    THEN
        IF NOT EXISTS (
            SELECT FROM orders WHERE user_id = account AND client_address IS NOT NULL
            UNION ALL SELECT FROM orders WHERE client_address = address
        ) THEN
            RETURN NULL;
        END IF;
    END IF;
    SELECT count(*) INTO of_account FROM (
        SELECT FROM orders WHERE user_id = account AND client_address IS NOT NULL LIMIT coalesce(orders_of_account, 1)
    ) AS unpaid;
    IF of_account >= orders_of_account THEN
        RETURN 'account';
    END IF;
    IF address IS NOT NULL THEN
        SELECT count(*) INTO of_address FROM (
            SELECT FROM orders WHERE client_address = address LIMIT coalesce(orders_of_address, 1)
        ) AS unpaid;
        IF of_address >= orders_of_address THEN
            RETURN 'address';
        END IF;
    END IF;
    IF least_pieces IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT wanted.product_id INTO refused
    FROM (
        SELECT line.product_id, sum(line.quantity) AS pieces
        FROM unnest(products, quantities) AS line(product_id, quantity) GROUP BY line.product_id
    ) AS wanted
    JOIN stock_levels AS stock ON stock.product_id = wanted.product_id
    LEFT JOIN (
        SELECT line.product_id, sum(line.quantity) AS pieces
        FROM orders JOIN order_lines AS line ON line.order_id = orders.id
        WHERE orders.user_id = account AND orders.client_address IS NOT NULL GROUP BY line.product_id
    ) AS by_account ON by_account.product_id = wanted.product_id
    LEFT JOIN (
        SELECT line.product_id, sum(line.quantity) AS pieces
        FROM orders JOIN order_lines AS line ON line.order_id = orders.id
        WHERE orders.client_address = address GROUP BY line.product_id
    ) AS by_address ON by_address.product_id = wanted.product_id
    WHERE wanted.pieces + greatest(by_account.pieces, by_address.pieces, 0)
          > greatest(least_pieces, floor(coalesce(stock.on_hand, stock.available) * share))
    LIMIT 1;
    RETURN refused::text;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "cart_items",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "product_id", name=op.f("pk_cart_items")),
    )
    op.create_table(
        "carts",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_carts")),
    )
    op.create_table(
        "catalogue_products",
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("sku", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("prices", postgresql.JSONB(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("product_id", name=op.f("pk_catalogue_products")),
    )
    op.create_table(
        "customers",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String()),
        sa.Column("name", sa.String()),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("erased", sa.Boolean(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("email_verified", sa.Boolean()),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_customers")),
    )
    op.create_index(op.f("ix_customers_erased"), "customers", ["erased"])
    op.create_table(
        "order_history",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("trigger", sa.String(), nullable=False),
        sa.Column("from_status", sa.String()),
        sa.Column("to_status", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("actor_id", sa.Uuid()),
        sa.Column("reason", sa.String()),
        sa.Column("details", postgresql.JSONB()),
        sa.PrimaryKeyConstraint("order_id", "version", name=op.f("pk_order_history")),
    )
    op.create_table(
        "order_lines",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("sku", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_price", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("order_id", "position", name=op.f("pk_order_lines")),
    )
    op.create_table(
        "order_shipments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("shipments_of_order", sa.Integer(), nullable=False),
        sa.Column("carrier", sa.String()),
        sa.Column("tracking_number", sa.String()),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("tracking_url", sa.String()),
        sa.Column("lines", postgresql.JSONB()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_shipments")),
    )
    op.create_index(op.f("ix_order_shipments_order_id"), "order_shipments", ["order_id"])
    op.create_table(
        "orders",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=False, start=100001), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("fulfilment_status", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("captured", sa.BigInteger(), nullable=False),
        sa.Column("refunded", sa.BigInteger(), nullable=False),
        sa.Column("pay_by", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ship_to", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True)),
        sa.Column("standing_still", sa.String()),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("refunding", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("client_address", sa.String()),
        sa.Column("owes_alone", sa.Boolean()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sa.UniqueConstraint("number", name=op.f("uq_orders_number")),
    )
    op.create_index(
        "ix_orders_delivered_at", "orders", ["delivered_at"], postgresql_where=sa.text("status = 'delivered'")
    )
    op.create_index("ix_orders_pay_by", "orders", ["pay_by"], postgresql_where=sa.text("status = 'awaiting_payment'"))
    op.create_index(
        "ix_orders_standing_still", "orders", ["id"], postgresql_where=sa.text("standing_still IS NOT NULL")
    )
    op.create_index("ix_orders_status_id", "orders", ["status", "id"])
    op.create_index(
        "ix_orders_unpaid_address", "orders", ["client_address"], postgresql_where=sa.text("client_address IS NOT NULL")
    )
    op.create_index("ix_orders_user_id_id", "orders", ["user_id", "id"])
    op.create_index(
        "uq_orders_owes_alone",
        "orders",
        ["user_id", "owes_alone"],
        unique=True,
        postgresql_where=sa.text("client_address IS NOT NULL"),
    )
    op.create_table(
        "payment_tokens",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_payment_tokens")),
    )
    op.create_table(
        "stock_levels",
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("available", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("on_hand", sa.BigInteger()),
        sa.PrimaryKeyConstraint("product_id", name=op.f("pk_stock_levels")),
    )
    op.create_table(
        "payments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("gateway", sa.String(), nullable=False),
        sa.Column("gateway_charge_id", sa.String()),
        sa.Column("opened_by", sa.Uuid()),
        sa.Column("request_key", sa.String()),
        sa.Column("failure_reason", sa.String()),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("call_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("check_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True)),
        sa.Column("client_address", sa.String()),
        sa.CheckConstraint("status IN ('pending', 'succeeded', 'failed')", name=op.f("ck_payments_status")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_payments_amount")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_payments_order_id_orders")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payments")),
    )
    op.create_index("ix_payments_check_at", "payments", ["check_at"], postgresql_where=sa.text("status = 'pending'"))
    op.create_index("ix_payments_created_at_id", "payments", ["created_at", "id"])
    op.create_index("ix_payments_order_id", "payments", ["order_id"])
    op.create_index(
        "ix_payments_tried_address",
        "payments",
        ["client_address", "created_at"],
        postgresql_where=sa.text("client_address IS NOT NULL"),
    )
    op.create_index(
        "ix_payments_tried_user",
        "payments",
        ["user_id", "created_at"],
        postgresql_where=sa.text("status <> 'succeeded'"),
    )
    op.create_index("uq_payments_gateway_charge", "payments", ["gateway", "gateway_charge_id"], unique=True)
    op.create_index(
        "uq_payments_pending", "payments", ["order_id"], unique=True, postgresql_where=sa.text("status = 'pending'")
    )
    op.create_table(
        "returns",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("lines", postgresql.JSONB(), nullable=False),
        sa.Column("reason", sa.String()),
        sa.Column("refusal", sa.String()),
        sa.Column("decided_by", sa.Uuid()),
        sa.Column("worth", sa.BigInteger()),
        sa.Column("to_refund", sa.BigInteger()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
        sa.Column("received_at", sa.DateTime(timezone=True)),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "status IN ('requested', 'approved', 'refused', 'withdrawn', 'received', 'refunded', 'closed')",
            name=op.f("ck_returns_status"),
        ),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_returns_order_id_orders")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_returns")),
    )
    op.create_index("ix_returns_order_id_id", "returns", ["order_id", "id"])
    op.create_index("ix_returns_status_id", "returns", ["status", "id"])
    op.create_index("ix_returns_user_id", "returns", ["user_id"])
    op.create_table(
        "refunds",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.String()),
        sa.Column("requested_by", sa.Uuid()),
        sa.Column("gateway", sa.String(), nullable=False),
        sa.Column("gateway_refund_id", sa.String()),
        sa.Column("failure_reason", sa.String()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True)),
        sa.Column("return_id", sa.Uuid()),
        sa.Column("note", sa.String()),
        sa.CheckConstraint("status IN ('requested', 'succeeded', 'failed')", name=op.f("ck_refunds_status")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_refunds_amount")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_refunds_order_id_orders")),
        sa.ForeignKeyConstraint(["payment_id"], ["payments.id"], name=op.f("fk_refunds_payment_id_payments")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refunds")),
    )
    op.create_index("ix_refunds_created_at_id", "refunds", ["created_at", "id"])
    op.create_index(
        "ix_refunds_due", "refunds", ["gateway", "next_attempt_at"], postgresql_where=sa.text("status = 'requested'")
    )
    op.create_index("ix_refunds_order_id", "refunds", ["order_id"])
    op.create_index("ix_refunds_payment_id", "refunds", ["payment_id"])
    op.create_index("uq_refunds_gateway_refund", "refunds", ["gateway", "gateway_refund_id"], unique=True)
    op.execute(UNPAID_LIMIT)
    op.execute(
        audit("orders", "order", withheld=["ship_to"], ignored=["status_since", "standing_still", "client_address"])
    )
    op.execute(
        audit("payments", "payment", ignored=["opened_by", "request_key", "call_until", "check_at", "client_address"])
    )
    op.execute(
        audit("refunds", "refund", withheld=["reason", "note"], ignored=["requested_by", "attempts", "next_attempt_at"])
    )
    op.execute(audit("returns", "return", withheld=["reason", "refusal"], ignored=["decided_by"]))


def downgrade() -> None:
    op.drop_table("refunds")
    op.drop_table("returns")
    op.drop_table("payments")
    op.drop_table("stock_levels")
    op.drop_table("payment_tokens")
    op.drop_table("orders")
    op.drop_table("order_shipments")
    op.drop_table("order_lines")
    op.drop_table("order_history")
    op.drop_table("customers")
    op.drop_table("catalogue_products")
    op.drop_table("carts")
    op.drop_table("cart_items")
    op.execute("DROP FUNCTION unpaid_limit")
