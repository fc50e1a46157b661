"""Fills databases with many old orders and related rows, as after years of operation."""

import asyncio

from benchmarks.goods import goods
from benchmarks.stage import connected

# UUIDv7s of the past, one per second, so that indexes grow at their end as in production.
_IDS = """
CREATE TEMP TABLE known AS
SELECT n, uuidv7(make_interval(secs => n - $1)) AS id, now() + make_interval(secs => n - $1) AS at,
       ('00000000-0000-7000-8000-' || lpad((n::bigint * 7919 % ($1 / 10 + 1))::text, 12, '0'))::uuid AS user_id,
       '{"name": "Ada King", "line1": "12 St James''s Square", "city": "London", "country": "GB"}'::jsonb AS ship_to
FROM generate_series(1, $1::int) AS n
"""
_OUTBOX = """
INSERT INTO outbox (event_id, topic, key, type, subject, source, time, value, published_at)
SELECT uuidv7(), '{topic}', id::text::bytea, 'mart.{type}.v1', id::text, '{source}', at, repeat('x', 300)::bytea, at
FROM known
"""
_INBOX = "INSERT INTO inbox (event_id, topic, received_at) SELECT uuidv7(), 'inventory_deduction', at FROM known"
_ORDER_SERVICE = [
    """
    INSERT INTO orders (id, customer_id, status, fulfilment_status, currency, total, captured, refunded, pay_by,
                        ship_to, created_at, status_since, delivered_at, version)
    SELECT id, user_id, 'completed', 'delivered', 'GBP', 4200, 4200, 0, at, ship_to, at, at, at, 8 FROM known
    """,
    """
    INSERT INTO order_lines (order_id, position, product_id, sku, name, quantity, unit_price)
    SELECT id, line, ($1::uuid[])[1 + (n * 31 + line * 977) % array_length($1, 1)], '85123A', 'A thing', 2, 700
    FROM known, generate_series(0, 2) AS line
    """,
    """
    INSERT INTO order_history (order_id, version, at, trigger, from_status, to_status, actor)
    SELECT id, step, at, 'moved', 'pending', 'completed', 'clock' FROM known, generate_series(2, 4) AS step
    """,
    """
    INSERT INTO order_shipments (id, order_id, status, shipments_of_order, version)
    SELECT uuidv7(), id, 'delivered', 1, 3 FROM known
    """,
    """
    INSERT INTO idempotency_keys (user_id, operation, key, body_hash, status, created_at)
    SELECT user_id, 'POST /orders', id::text, '\\x00'::bytea, 201, at FROM known WHERE n % 10 = 0
    """,
    _OUTBOX.format(topic="order_notification", type="order.placed", source="/order_service"),
    _INBOX,
]
_INVENTORY_SERVICE = [
    """
    INSERT INTO reservations (order_id, status, version, reserved_until, created_at)
    SELECT id, 'fulfilled', 3, at, at FROM known
    """,
    """
    INSERT INTO shipments (id, order_id, customer_id, number, warehouse_id, status, shipments_of_order, lines, ship_to,
                           version, created_at)
    SELECT uuidv7(), known.id, user_id, n::text, place.id, 'delivered', 1, '[]', ship_to, 3, at
    FROM known, (SELECT id FROM warehouses LIMIT 1) AS place
    """,
    """
    INSERT INTO stock_movements (id, product_id, warehouse_id, kind, quantity, order_id, booked_by, created_at)
    SELECT uuidv7(), ($1::uuid[])[1 + (n * 31 + line * 977) % array_length($1, 1)], place.id, 'dispatch', -2,
           known.id, user_id, at
    FROM known, generate_series(1, 10) AS line, (SELECT id FROM warehouses LIMIT 1) AS place
    """,
    _OUTBOX.format(topic="inventory_deduction", type="reservation.accepted", source="/inventory_service"),
    _INBOX,
]


async def grow(order_database: str, inventory_database: str, count: int) -> None:
    """Fills both databases, then runs VACUUM and ANALYZE as autovacuum would."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_fill(order_database, _ORDER_SERVICE, count))
        tasks.create_task(_fill(inventory_database, _INVENTORY_SERVICE, count))


async def _fill(database: str, statements: list[str], count: int) -> None:
    products = [good.id for good in goods()]
    async with connected(database) as connection:
        await connection.execute("SET synchronous_commit = off")
        await connection.execute(_IDS, count)
        await connection.execute("CREATE UNIQUE INDEX ON known (n)")
        for statement in statements:
            await connection.execute(statement, *([products] if "$1" in statement else []))
        await connection.execute("VACUUM (ANALYZE)")
        await connection.execute("CHECKPOINT")
