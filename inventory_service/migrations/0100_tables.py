"""The tables of the inventory service."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from service_kit.audit.triggers import audit

revision = "0100"
down_revision = None
branch_labels = None
depends_on = None

# The last revision of the migrations that this one replaces: a database at that revision has these tables.
REPLACES = "0009"

# Rejects changes of the ledger's lines, whichever role connects.
APPEND_ONLY = """
CREATE FUNCTION refuse_to_change_the_ledger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'stock_movements is append-only: correct a line by another';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON stock_movements
FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_ledger();
"""


def upgrade() -> None:
    op.create_table(
        "products",
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("sku", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("product_id", name=op.f("pk_products")),
    )
    op.create_table(
        "reservation_lines",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("warehouse_id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_reservation_lines_holds_something")),
        sa.PrimaryKeyConstraint("order_id", "position", "warehouse_id", name=op.f("pk_reservation_lines")),
    )
    op.create_table(
        "reservations",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("reserved_until", sa.DateTime(timezone=True)),
        sa.Column("lacking", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status IN ('reserved', 'rejected', 'released', 'expired', 'fulfilling', 'fulfilled')",
            name=op.f("ck_reservations_status"),
        ),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_reservations")),
    )
    op.create_index(
        "ix_reservations_end", "reservations", ["reserved_until"], postgresql_where=sa.text("status = 'reserved'")
    )
    op.create_table(
        "shipments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("warehouse_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("shipments_of_order", sa.Integer(), nullable=False),
        sa.Column("lines", postgresql.JSONB(), nullable=False),
        sa.Column("ship_to", postgresql.JSONB(), nullable=False),
        sa.Column("carrier", sa.String()),
        sa.Column("tracking_number", sa.String()),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dispatched_at", sa.DateTime(timezone=True)),
        sa.Column("delivered_at", sa.DateTime(timezone=True)),
        sa.Column("refunded", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("tracking_url", sa.String()),
        sa.Column("corrections", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("lost_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "status IN ('created', 'dispatched', 'delivered', 'lost', 'cancelled')", name=op.f("ck_shipments_status")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shipments")),
    )
    op.create_index(op.f("ix_shipments_order_id"), "shipments", ["order_id"])
    op.create_index("ix_shipments_status_id", "shipments", ["status", "id"])
    op.create_index("ix_shipments_user_id_id", "shipments", ["user_id", "id"])
    op.create_table(
        "stock_batches",
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("warehouse_id", sa.Uuid(), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=False),
        sa.Column("batch", sa.String(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("quantity >= 0", name=op.f("ck_stock_batches_quantity_not_negative")),
        sa.PrimaryKeyConstraint("product_id", "warehouse_id", "expires_on", "batch", name=op.f("pk_stock_batches")),
    )
    op.create_table(
        "stock_movements",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("warehouse_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String()),
        sa.Column("receipt_id", sa.Uuid()),
        sa.Column("shipment_id", sa.Uuid()),
        sa.Column("order_id", sa.Uuid()),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("return_id", sa.Uuid()),
        sa.Column("batch", sa.String()),
        sa.Column("expires_on", sa.Date()),
        sa.CheckConstraint(
            "kind IN ('receipt', 'adjustment', 'dispatch', 'return')", name=op.f("ck_stock_movements_kind")
        ),
        sa.CheckConstraint("quantity <> 0", name=op.f("ck_stock_movements_moves_something")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_movements")),
    )
    op.create_index("ix_stock_movements_product_id_id", "stock_movements", ["product_id", "id"])
    op.create_index("ix_stock_movements_warehouse_id_id", "stock_movements", ["warehouse_id", "id"])
    op.create_table(
        "suppliers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("email", sa.String()),
        sa.Column("phone", sa.String()),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppliers")),
    )
    op.create_index("ix_suppliers_name_id", "suppliers", ["name", "id"])
    op.create_table(
        "warehouses",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("address", postgresql.JSONB()),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_warehouses")),
        sa.UniqueConstraint("code", name=op.f("uq_warehouses_code")),
    )
    op.create_table(
        "returns",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("lines", postgresql.JSONB(), nullable=False),
        sa.Column("warehouse_id", sa.Uuid()),
        sa.Column("received_by", sa.Uuid()),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True)),
        sa.Column("closed_by", sa.Uuid()),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("status IN ('expected', 'received', 'closed')", name=op.f("ck_returns_status")),
        sa.ForeignKeyConstraint(["warehouse_id"], ["warehouses.id"], name=op.f("fk_returns_warehouse_id_warehouses")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_returns")),
    )
    op.create_index(op.f("ix_returns_order_id"), "returns", ["order_id"])
    op.create_index("ix_returns_status_id", "returns", ["status", "id"])
    op.create_index("ix_returns_user_id_id", "returns", ["user_id", "id"])
    op.create_index(op.f("ix_returns_warehouse_id"), "returns", ["warehouse_id"])
    op.create_table(
        "stock",
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("warehouse_id", sa.Uuid(), nullable=False),
        sa.Column("on_hand", sa.BigInteger(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("to_publish", sa.Boolean(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True)),
        sa.Column("dated", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("expired", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("next_expiry", sa.Date()),
        sa.CheckConstraint("dated <= on_hand", name=op.f("ck_stock_dated_is_there")),
        sa.CheckConstraint("expired BETWEEN 0 AND dated", name=op.f("ck_stock_expired_is_dated")),
        sa.CheckConstraint("on_hand >= 0", name=op.f("ck_stock_on_hand_not_negative")),
        sa.CheckConstraint("reserved <= on_hand", name=op.f("ck_stock_reserved_is_there")),
        sa.CheckConstraint("reserved >= 0", name=op.f("ck_stock_reserved_not_negative")),
        sa.ForeignKeyConstraint(["warehouse_id"], ["warehouses.id"], name=op.f("fk_stock_warehouse_id_warehouses")),
        sa.PrimaryKeyConstraint("product_id", "warehouse_id", name=op.f("pk_stock")),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index(
        "ix_stock_next_expiry", "stock", ["next_expiry"], postgresql_where=sa.text("next_expiry IS NOT NULL")
    )
    op.create_index("ix_stock_to_publish", "stock", ["product_id"], postgresql_where=sa.text("to_publish"))
    op.create_index("ix_stock_warehouse_id_product_id", "stock", ["warehouse_id", "product_id"])
    op.create_table(
        "stock_receipts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("warehouse_id", sa.Uuid(), nullable=False),
        sa.Column("supplier_id", sa.Uuid()),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["supplier_id"], ["suppliers.id"], name=op.f("fk_stock_receipts_supplier_id_suppliers")
        ),
        sa.ForeignKeyConstraint(
            ["warehouse_id"], ["warehouses.id"], name=op.f("fk_stock_receipts_warehouse_id_warehouses")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_receipts")),
    )
    op.create_index(op.f("ix_stock_receipts_supplier_id"), "stock_receipts", ["supplier_id"])
    op.create_index(op.f("ix_stock_receipts_warehouse_id"), "stock_receipts", ["warehouse_id"])
    op.create_table(
        "stock_receipt_lines",
        sa.Column("receipt_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("unit_cost", sa.BigInteger()),
        sa.Column("currency", sa.String()),
        sa.Column("batch", sa.String()),
        sa.Column("expires_on", sa.Date()),
        sa.ForeignKeyConstraint(
            ["receipt_id"], ["stock_receipts.id"], name=op.f("fk_stock_receipt_lines_receipt_id_stock_receipts")
        ),
        sa.PrimaryKeyConstraint("receipt_id", "position", name=op.f("pk_stock_receipt_lines")),
    )
    op.execute(APPEND_ONLY)
    op.execute(audit("warehouses", "warehouse"))
    op.execute(audit("suppliers", "supplier", withheld=["name", "email", "phone"]))
    op.execute(audit("stock_receipts", "stock-receipt", ignored=["user_id"]))
    op.execute(
        audit("stock_movements", "stock-adjustment", ignored=["kind", "user_id"], inserted="NEW.kind = 'adjustment'")
    )
    op.execute(audit("shipments", "shipment", withheld=["ship_to"]))
    op.execute(audit("returns", "return", ignored=["received_by", "closed_by"]))


def downgrade() -> None:
    op.drop_table("stock_receipt_lines")
    op.drop_table("stock_receipts")
    op.drop_table("stock")
    op.drop_table("returns")
    op.drop_table("warehouses")
    op.drop_table("suppliers")
    op.drop_table("stock_movements")
    op.drop_table("stock_batches")
    op.drop_table("shipments")
    op.drop_table("reservations")
    op.drop_table("reservation_lines")
    op.drop_table("products")
    op.execute("DROP FUNCTION refuse_to_change_the_ledger()")
