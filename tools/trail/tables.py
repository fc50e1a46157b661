"""Reads the rows about one order from the databases of all services, by read-only connections."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg2
import psycopg2.extensions
from psycopg2.extras import NamedTupleCursor, register_uuid

from local_stack.errors import StackError
from local_stack.parts import SERVICES
from local_stack.shop import Shop

Rows = list[Any]
"""Named tuples with the columns of their statement."""

ORDER = "SELECT id, number, customer_id, status, currency, total, created_at FROM orders WHERE number = %s"

# Service → name of the rows → the statement that reads them for one order.
ROWS: Mapping[str, Mapping[str, str]] = {
    "order": {
        "history": """
SELECT at, trigger, from_status, to_status, actor, actor_id, reason
FROM order_history WHERE order_id = %(order_id)s ORDER BY version
""",
        "payments": """
SELECT id, amount, currency, status, gateway, gateway_charge_id, opened_by, failure_reason, created_at, settled_at
FROM payments WHERE order_id = %(order_id)s ORDER BY created_at, id
""",
        "refunds": """
SELECT id, payment_id, amount, currency, status, reason, requested_by, failure_reason, created_at, settled_at
FROM refunds WHERE order_id = %(order_id)s ORDER BY created_at, id
""",
    },
    "inventory": {
        "reservations": """
SELECT status, reserved_until, lacking, created_at FROM reservations WHERE order_id = %(order_id)s
""",
        "shipments": """
SELECT s.id, s.number, w.code AS warehouse, s.status, s.carrier, s.tracking_number, s.lines, s.created_at,
       s.dispatched_at, s.delivered_at, s.lost_at, s.corrections
FROM shipments AS s LEFT JOIN warehouses AS w ON w.id = s.warehouse_id
WHERE s.order_id = %(order_id)s ORDER BY s.id
""",
        # The ledger has an index by product, not by order.
        "movements": """
SELECT shipment_id, min(created_at) AS created_at, -sum(quantity)::bigint AS pieces,
       count(DISTINCT product_id) AS products
FROM stock_movements
WHERE order_id = %(order_id)s AND kind = 'dispatch' AND product_id IN (
    SELECT (line ->> 'product_id')::uuid FROM shipments, jsonb_array_elements(lines) AS line
    WHERE shipments.order_id = %(order_id)s)
GROUP BY shipment_id
""",
        "returns": """
SELECT r.id, w.code AS warehouse, r.lines, r.created_at, r.received_at, r.closed_at
FROM returns AS r LEFT JOIN warehouses AS w ON w.id = r.warehouse_id
WHERE r.order_id = %(order_id)s ORDER BY r.id
""",
    },
    "notification": {
        "notifications": """
SELECT id, event_id, kind, created_at, told_at
FROM notifications WHERE order_id = %(order_id)s ORDER BY created_at, id
""",
        "deliveries": """
SELECT d.kind, d.channel, d.address, d.status, d.attempts, d.error, d.created_at, d.sent_at
FROM deliveries AS d JOIN notifications AS n ON n.id = d.notification_id
WHERE n.order_id = %(order_id)s ORDER BY d.id
""",
    },
}
OUTBOX = """
SELECT event_id, topic, type, source, time, traceparent, published_at, parked_at, error
FROM outbox WHERE key = %(key)s AND topic = ANY(%(topics)s) AND time >= %(since)s ORDER BY id
"""
PARKED = """
SELECT event_id, type, status, attempts, error, parked_at FROM parked_events
WHERE key = %(key)s AND topic = ANY(%(topics)s) ORDER BY id
"""
INBOX = "SELECT event_id, received_at FROM inbox WHERE event_id = ANY(%s)"


@dataclass(frozen=True)
class Tables:
    """All rows about one order: `rows` by the names of `ROWS`, `outbox` and `parked` by service."""

    order: Any
    rows: dict[str, Rows]
    outbox: dict[str, Rows]
    parked: dict[str, Rows]


class NoSuchOrder(StackError):
    pass


def find_order(shop: Shop, number: int) -> Any:
    """Raises: NoSuchOrder; StackError, if the database does not answer."""
    with reading(shop, "order") as cursor:
        found = _rows(cursor, ORDER, (number,))
    if not found:
        raise NoSuchOrder(f"There is no order {number}. The order service's GET /orders has the numbers.")
    return found[0]


def read_tables(shop: Shop, order: Any, topics: Sequence[str]) -> Tables:
    tables = Tables(order, {}, {}, {})
    wanted = {
        "order_id": order.id,
        "key": str(order.id).encode(),
        "topics": list(topics),
        "since": order.created_at,
    }
    for service in (each.name for each in SERVICES):
        with reading(shop, service) as cursor:
            for name, statement in ROWS.get(service, {}).items():
                tables.rows[name] = _rows(cursor, statement, wanted)
            tables.outbox[service] = _rows(cursor, OUTBOX, wanted)
            tables.parked[service] = _rows(cursor, PARKED, wanted)
    return tables


def read_inboxes(shop: Shop, event_ids: Sequence[UUID]) -> dict[str, dict[UUID, datetime]]:
    """Service → event → when the service received it."""
    found = {}
    for service in SERVICES:
        with reading(shop, service.name) as cursor:
            rows = _rows(cursor, INBOX, (list(event_ids),))
            found[service.name] = {row.event_id: row.received_at for row in rows}
    return found


def _rows(cursor: psycopg2.extensions.cursor, statement: str, parameters: Any) -> Rows:
    cursor.execute(statement, parameters)
    return cursor.fetchall()


@contextmanager
def reading(shop: Shop, service: str) -> Iterator[psycopg2.extensions.cursor]:
    try:
        connection = psycopg2.connect(shop.database_url(service), connect_timeout=10, cursor_factory=NamedTupleCursor)
    except psycopg2.OperationalError as error:
        raise StackError(f"The {service} service's database does not answer ({error}): try `make status`.") from None
    try:
        register_uuid(conn_or_curs=connection)  # type: ignore[no-untyped-call]
        connection.set_session(readonly=True, autocommit=True)
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()
