"""limits on what is unpaid."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

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
    op.add_column("customers", sa.Column("email_verified", sa.Boolean(), nullable=True))
    op.add_column("stock_levels", sa.Column("on_hand", sa.BigInteger(), nullable=True))
    op.add_column("orders", sa.Column("client_address", sa.String(), nullable=True))
    op.add_column("payments", sa.Column("client_address", sa.String(), nullable=True))
    held = sa.text("client_address IS NOT NULL")
    op.create_index("ix_orders_unpaid_user", "orders", ["user_id"], postgresql_where=held)
    op.create_index("ix_orders_unpaid_address", "orders", ["client_address"], postgresql_where=held)
    op.create_index("ix_payments_tried_address", "payments", ["client_address", "created_at"], postgresql_where=held)
    op.create_index(
        "ix_payments_tried_user",
        "payments",
        ["user_id", "created_at"],
        postgresql_where=sa.text("status <> 'succeeded'"),
    )
    op.execute(UNPAID_LIMIT)


def downgrade() -> None:
    op.execute("DROP FUNCTION unpaid_limit")
    op.drop_index("ix_payments_tried_user", table_name="payments")
    op.drop_index("ix_payments_tried_address", table_name="payments")
    op.drop_index("ix_orders_unpaid_address", table_name="orders")
    op.drop_index("ix_orders_unpaid_user", table_name="orders")
    op.drop_column("payments", "client_address")
    op.drop_column("orders", "client_address")
    op.drop_column("stock_levels", "on_hand")
    op.drop_column("customers", "email_verified")
