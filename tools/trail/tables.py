"""What the services' databases know of one order. Read only, and over each service's own role."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg2
import psycopg2.extensions
from psycopg2.extras import NamedTupleCursor, register_uuid

from local_stack.errors import StackError
from local_stack.parts import SERVICES
from local_stack.shop import Shop

Rows = list[Any]
"""Named tuples with the columns of their statement."""

ORDER = "SELECT id, number, customer_id, status, currency, total, created_at FROM orders WHERE number = %s"
HISTORY = """
SELECT at, trigger, from_status, to_status, actor, actor_id, reason
FROM order_history WHERE order_id = %s ORDER BY version
"""
PAYMENTS = """
SELECT id, amount, currency, status, gateway, gateway_charge_id, opened_by, failure_reason, created_at, settled_at
FROM payments WHERE order_id = %s ORDER BY created_at, id
"""
REFUNDS = """
SELECT id, payment_id, amount, currency, status, reason, requested_by, failure_reason, created_at, settled_at
FROM refunds WHERE order_id = %s ORDER BY created_at, id
"""
RESERVATIONS = "SELECT status, reserved_until, lacking, created_at FROM reservations WHERE order_id = %s"
SHIPMENTS = """
SELECT s.id, s.number, w.code AS warehouse, s.status, s.carrier, s.tracking_number, s.lines, s.created_at,
       s.dispatched_at, s.delivered_at, s.lost_at, s.corrections
FROM shipments AS s LEFT JOIN warehouses AS w ON w.id = s.warehouse_id
WHERE s.order_id = %s ORDER BY s.id
"""
# The ledger is found by its products, for which it has an index.
MOVEMENTS = """
SELECT shipment_id, min(created_at) AS created_at, -sum(quantity)::bigint AS pieces,
       count(DISTINCT product_id) AS products
FROM stock_movements
WHERE order_id = %(order_id)s AND kind = 'dispatch' AND product_id IN (
    SELECT (line ->> 'product_id')::uuid FROM shipments, jsonb_array_elements(lines) AS line
    WHERE shipments.order_id = %(order_id)s)
GROUP BY shipment_id
"""
BACK = """
SELECT r.id, w.code AS warehouse, r.lines, r.created_at, r.received_at, r.closed_at
FROM returns AS r LEFT JOIN warehouses AS w ON w.id = r.warehouse_id WHERE r.order_id = %s ORDER BY r.id
"""
NOTIFICATIONS = """
SELECT id, event_id, kind, created_at, told_at FROM notifications WHERE order_id = %s ORDER BY created_at, id
"""
DELIVERIES = """
SELECT d.kind, d.channel, d.address, d.status, d.attempts, d.error, d.created_at, d.sent_at
FROM deliveries AS d JOIN notifications AS n ON n.id = d.notification_id WHERE n.order_id = %s ORDER BY d.id
"""
OUTBOX = """
SELECT event_id, topic, type, source, time, published_at, parked_at, error
FROM outbox WHERE key = %s AND topic = ANY(%s) AND time >= %s ORDER BY id
"""
PARKED = """
SELECT event_id, type, status, attempts, error, parked_at FROM parked_events
WHERE key = %s AND topic = ANY(%s) ORDER BY id
"""
INBOX = "SELECT event_id, received_at FROM inbox WHERE event_id = ANY(%s)"


@dataclass(frozen=True)
class Tables:
    """All rows about one order; `outbox` and `parked` by service."""

    order: Any
    history: Rows
    payments: Rows
    refunds: Rows
    reservations: Rows
    shipments: Rows
    movements: Rows
    back: Rows
    notifications: Rows
    deliveries: Rows
    outbox: dict[str, Rows]
    parked: dict[str, Rows]


def find_order(shop: Shop, number: int) -> Any:
    """Raises: StackError, where no order has this number."""
    with _reading(shop, "order") as cursor:
        found = _rows(cursor, ORDER, (number,))
    if not found:
        raise StackError(f"There is no order {number}. The numbers stand in the order service's GET /orders.")
    return found[0]


def read_tables(shop: Shop, order: Any, topics: Sequence[str]) -> Tables:
    """What stands in the tables of order, inventory and notification, and in everybody's outbox."""
    key = (order.id,)
    with _reading(shop, "order") as cursor:
        history, payments, refunds = (_rows(cursor, each, key) for each in (HISTORY, PAYMENTS, REFUNDS))
    with _reading(shop, "inventory") as cursor:
        reservations, shipments = (_rows(cursor, each, key) for each in (RESERVATIONS, SHIPMENTS))
        movements, back = _rows(cursor, MOVEMENTS, {"order_id": order.id}), _rows(cursor, BACK, key)
    with _reading(shop, "notification") as cursor:
        notifications, deliveries = (_rows(cursor, each, key) for each in (NOTIFICATIONS, DELIVERIES))
    outbox, parked = {}, {}
    kafka_key, names = str(order.id).encode(), list(topics)
    for service in SERVICES:
        with _reading(shop, service.name) as cursor:
            outbox[service.name] = _rows(cursor, OUTBOX, (kafka_key, names, order.created_at))
            parked[service.name] = _rows(cursor, PARKED, (kafka_key, names))
    return Tables(
        order,
        history,
        payments,
        refunds,
        reservations,
        shipments,
        movements,
        back,
        notifications,
        deliveries,
        outbox,
        parked,
    )


def read_inboxes(shop: Shop, event_ids: Sequence[Any]) -> dict[str, Rows]:
    """By service: when it took which of these events."""
    found = {}
    for service in SERVICES:
        with _reading(shop, service.name) as cursor:
            found[service.name] = _rows(cursor, INBOX, (list(event_ids),))
    return found


def _rows(cursor: psycopg2.extensions.cursor, statement: str, parameters: Any) -> Rows:
    cursor.execute(statement, parameters)
    return cursor.fetchall()


@contextmanager
def _reading(shop: Shop, service: str) -> Iterator[psycopg2.extensions.cursor]:
    try:
        connection = psycopg2.connect(shop.database_url(service), connect_timeout=10, cursor_factory=NamedTupleCursor)
    except psycopg2.OperationalError as error:
        raise StackError(
            f"The {service} service's database does not answer ({error}): `make status` says more."
        ) from None
    try:
        register_uuid(conn_or_curs=connection)  # type: ignore[no-untyped-call]
        connection.set_session(readonly=True, autocommit=True)
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()
