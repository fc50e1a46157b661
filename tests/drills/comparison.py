"""Compares the databases as they were with the restored ones, by the rows of their main tables."""

from collections.abc import Iterable

import asyncpg

from local_stack.shop import Shop

Counts = dict[str, int]
Rows = dict[str, dict[str, str]]
"""By table: the status of each row, or whatever else must be the same."""

OUTBOX = "SELECT event_id::text, type FROM outbox"
TABLES: dict[str, dict[str, str]] = {
    "user": {"accounts": "SELECT id::text, concat_ws(' ', active, email, full_name, roles) FROM accounts"},
    "product": {"products": "SELECT id::text, concat_ws(' ', sku, status, price_amount, name) FROM products"},
    "inventory": {
        "reservations": "SELECT order_id::text, status FROM reservations",
        "shipments": "SELECT id::text, concat_ws(' ', status, tracking_number) FROM shipments",
        "expected_returns": "SELECT id::text, status FROM returns",
        "stock": "SELECT concat_ws(' ', product_id, warehouse_id), concat_ws(' ', on_hand, reserved) FROM stock",
    },
    "order": {
        "orders": "SELECT id::text, status FROM orders",
        "payments": "SELECT id::text, status FROM payments",
        "refunds": "SELECT id::text, status FROM refunds",
        "returns": "SELECT id::text, status FROM returns",
    },
    "notification": {"notifications": "SELECT event_id::text, kind FROM notifications"},
}


async def read_rows(shop: Shop, services: Iterable[str]) -> Rows:
    found: Rows = {}
    for service in services:
        database = await asyncpg.connect(shop.database_url(service))
        try:
            for name, statement in {**TABLES[service], f"events of {service}": OUTBOX}.items():
                found[name] = {row[0]: row[1] for row in await database.fetch(statement)}
        finally:
            await database.close()
    return found


def lacking(was: Rows, now: Rows) -> Counts:
    """How many rows of each table are missing; tables without any are left out."""
    counts = {name: len(rows.keys() - now[name].keys()) for name, rows in was.items()}
    return {name: count for name, count in counts.items() if count}


def differing(was: Rows, now: Rows) -> Counts:
    """How many rows of each table have another status."""
    counts = {name: sum(now[name].get(id, it) != it for id, it in rows.items()) for name, rows in was.items()}
    return {name: count for name, count in counts.items() if count}
