"""Locking and changing orders; `placing_queries` makes one, `reading` shows them."""

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from order_service.orders import events
from order_service.orders.lifecycle import EventKind, OrderState, Shipment
from order_service.orders.models import BEFORE_PAID, ENDS, PaymentStatus, ShipmentStatus, Status, payment_status
from order_service.orders.reading import TAG
from service_kit.database import Connection, Transaction
from service_kit.database.signals import signal
from service_kit.messaging import outbox

# Whether a payment token came with the order is asked only where it is told: when a pending order's stock is decided.
# By the token's key, and not by EXISTS, which may read all of the table.
LOCK = """
SELECT id, number, customer_id, status, currency, total, captured, refunded, refunding, pay_by, ship_to, version,
       status_since, delivered_at, client_address,
       status = 'pending' AND (SELECT true FROM payment_tokens WHERE order_id = orders.id) IS TRUE AS pays_by_token
FROM orders WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE
"""
SHIPMENTS = """
SELECT id, order_id, status, shipments_of_order, carrier, tracking_number, tracking_url, version
FROM order_shipments WHERE order_id = ANY($1::uuid[])
"""
# All that a move of orders changes, in one statement, so that a batch costs one round trip more than its locks.
SAVE = f"""
WITH saved AS (
    UPDATE orders SET status = n.status, fulfilment_status = n.fulfilment_status, captured = n.captured,
        status_since = n.status_since, delivered_at = n.delivered_at,
        version = n.version, stuck_reason = NULL,
        client_address = CASE WHEN n.status IN ('pending', 'awaiting_payment') THEN orders.client_address END
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::timestamptz[], $6::timestamptz[],
                $7::bigint[])
        AS n(id, status, fulfilment_status, captured, status_since, delivered_at, version)
    WHERE orders.id = n.id
), history AS (
    INSERT INTO order_history
        (order_id, version, at, trigger, from_status, to_status, actor, actor_id, reason, details)
    SELECT * FROM unnest($8::uuid[], $9::bigint[], $10::timestamptz[], $11::text[], $12::text[], $13::text[],
                         $14::text[], $15::uuid[], $16::text[], $17::jsonb[])
), parcels AS (
    INSERT INTO order_shipments
        (id, order_id, status, shipments_of_order, carrier, tracking_number, version, tracking_url, lines)
    SELECT * FROM unnest($18::uuid[], $19::uuid[], $20::text[], $21::int[], $22::text[], $23::text[], $24::bigint[],
                         $25::text[], $26::jsonb[])
    ON CONFLICT (id) DO UPDATE SET status = excluded.status, shipments_of_order = excluded.shipments_of_order,
        carrier = excluded.carrier, tracking_number = excluded.tracking_number, version = excluded.version,
        tracking_url = excluded.tracking_url, lines = coalesce(excluded.lines, order_shipments.lines)
), unused_tokens AS (
    DELETE FROM payment_tokens WHERE order_id = ANY($27::uuid[])
), open_payments AS (  -- the reconciler cancels what the gateway has not captured
    UPDATE payments SET check_at = now() WHERE order_id = ANY($27::uuid[]) AND settled_at IS NULL
)
INSERT INTO outbox ({outbox.INSERT_COLUMNS}) SELECT * FROM {outbox.unnest(28)}
"""
CHANGE_SHIP_TO = "UPDATE orders SET ship_to = $2::jsonb WHERE id = $1"
EXISTS = "SELECT true FROM orders WHERE id = $1"
UNPAID_AND_DUE = """
SELECT id FROM orders WHERE status = 'awaiting_payment' AND pay_by <= $1
ORDER BY pay_by LIMIT $2 FOR UPDATE SKIP LOCKED
"""
PAST_RETURN_WINDOW = """
SELECT id FROM orders WHERE status = 'delivered' AND delivered_at <= $1
ORDER BY delivered_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""
SNAPSHOTS = f"""
SELECT id, status, version, total, captured, refunded, {TAG} AS tag FROM orders o WHERE id = ANY($1::uuid[])
"""

# `pay_by` needs no look of its own: only a job that does not run would leave unpaid orders behind.
MARK_STUCK = """
WITH found AS (
    SELECT id, CASE status
        WHEN 'pending' THEN 'inventory has not answered the reservation'
        WHEN 'paid' THEN 'inventory has made no shipments'
        WHEN 'cancelling' THEN 'inventory has not answered the release'
    END AS reason
    FROM orders
    WHERE stuck_reason IS NULL AND status_since <= $1
      AND (status IN ('pending', 'cancelling') OR status = 'paid' AND fulfilment_status = 'unfulfilled')
    ORDER BY id LIMIT 1000 FOR UPDATE SKIP LOCKED
)
UPDATE orders SET stuck_reason = found.reason FROM found WHERE orders.id = found.id
RETURNING orders.number, found.reason
"""
COUNT_STUCK = """
SELECT stuck_reason, count(*) FROM orders WHERE stuck_reason IS NOT NULL GROUP BY stuck_reason
"""


ORDERS_CHANGED = "orders-changed"
"""A signal with an `OrderSnapshot` of each order that a transaction changed."""
AWAITING_PAYMENT = "orders-awaiting-payment"
"""A signal with the ids of the orders that became `awaiting_payment`."""


class Decided(NamedTuple):
    """An order whose stock is decided."""

    status: Status
    version: int
    payment_status: PaymentStatus


class OrderSnapshot(NamedTuple):
    """An order after a commit or a poll. `tag` None: not known, it may have changed."""

    order_id: UUID
    status: Status
    version: int
    payment_status: PaymentStatus
    tag: str | None

    @property
    def decided(self) -> Decided:
        return Decided(self.status, self.version, self.payment_status)


async def lock_many(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, OrderState]:
    """Those orders, held until the transaction ends; always in ascending id, so that no two writers wait in a ring."""
    rows = await tx.fetch(LOCK, list(set(ids)))
    found = {row["id"]: _state(row) for row in rows}
    fulfilled = [order.id for order in found.values() if order.status not in BEFORE_PAID]
    # Read after the lock: what another writer committed while we waited is seen.
    for row in await tx.fetch(SHIPMENTS, fulfilled) if fulfilled else ():
        found[row["order_id"]].shipments[row["id"]] = Shipment(
            id=row["id"],
            status=ShipmentStatus(row["status"]),
            shipments_of_order=row["shipments_of_order"],
            carrier=row["carrier"],
            tracking_number=row["tracking_number"],
            tracking_url=row["tracking_url"],
            version=row["version"],
        )
    return found


async def lock(tx: Transaction, order_id: UUID, *, of: UUID | None = None) -> OrderState | None:
    """One order, held until the transaction ends; None if there is none, or it is not `of` that customer."""
    order = (await lock_many(tx, [order_id])).get(order_id)
    return order if order and of in (None, order.customer_id) else None


async def exists(connection: Connection, order_id: UUID) -> bool:
    return bool(await connection.fetchval(EXISTS, order_id))


async def save(tx: Transaction, orders: Iterable[OrderState]) -> None:
    """Hot: what `OrderState.move` changed of these orders (row, history, shipments), and the events that it made.

    A refund that a move made due (`to_refund`) is left to the caller: `payments.refunds.save` requests it, too.
    """
    moved = [order for order in orders if order.entries]
    if not moved:
        return
    await tx.execute(
        SAVE,
        [order.id for order in moved],
        [order.status for order in moved],
        [order.fulfilment_status for order in moved],
        [order.captured for order in moved],
        [order.status_since for order in moved],
        [order.delivered_at for order in moved],
        [order.version for order in moved],
        *_history_columns(moved),
        *_shipment_columns(moved),
        [order.id for order in moved if order.status in ENDS],
        *await events.of(tx, moved),
    )
    tx.added_events = True
    _signal_moved(tx, moved)
    for order in moved:
        order.entries, order.pending_events = [], []


async def change_ship_to(tx: Transaction, order: OrderState) -> None:
    await tx.execute(CHANGE_SHIP_TO, order.id, json.dumps(order.ship_to))


async def lock_unpaid_and_due(tx: Transaction, now: datetime, limit: int) -> list[UUID]:
    """Skips locked orders: they are being paid or cancelled, and the next run reads them again."""
    return [row["id"] for row in await tx.fetch(UNPAID_AND_DUE, now, limit)]


async def lock_past_return_window(tx: Transaction, now: datetime, window: timedelta, limit: int) -> list[UUID]:
    return [row["id"] for row in await tx.fetch(PAST_RETURN_WINDOW, now - window, limit)]


async def mark_stuck(tx: Transaction, since: datetime) -> list[tuple[int, str]]:
    """The number and reason of each order without a step since then; its next step removes the reason."""
    return [(row["number"], row["reason"]) for row in await tx.fetch(MARK_STUCK, since)]


async def count_stuck(tx: Transaction) -> dict[str, int]:
    return {row[0]: row[1] for row in await tx.fetch(COUNT_STUCK)}


async def snapshots(connection: Connection, order_ids: Collection[UUID]) -> list[OrderSnapshot]:
    rows = await connection.fetch(SNAPSHOTS, list(order_ids))
    return [
        OrderSnapshot(id, Status(status), version, payment_status(total, captured, refunded), tag)
        for id, status, version, total, captured, refunded, tag in rows
    ]


def signal_changed(tx: Transaction, changed: Iterable[OrderState]) -> None:
    """Wakes the requests of this process that wait for one of them."""
    seen = [OrderSnapshot(order.id, order.status, order.version, order.payment_status, None) for order in changed]
    signal(tx, ORDERS_CHANGED, *seen)


def _signal_moved(tx: Transaction, moved: Sequence[OrderState]) -> None:
    signal_changed(tx, moved)
    awaiting = [
        order.id
        for order in moved
        if any(pending.kind is EventKind.AWAITING_PAYMENT for pending in order.pending_events)
    ]
    if awaiting:
        signal(tx, AWAITING_PAYMENT, *awaiting)


def _history_columns(orders: Sequence[OrderState]) -> list[list[Any]]:
    entries = [(order.id, entry) for order in orders for entry in order.entries]
    return [
        [order_id for order_id, _ in entries],
        [entry.version for _, entry in entries],
        [entry.at for _, entry in entries],
        [entry.trigger for _, entry in entries],
        [entry.from_status for _, entry in entries],
        [entry.to_status for _, entry in entries],
        [entry.actor for _, entry in entries],
        [entry.actor_id for _, entry in entries],
        [entry.reason for _, entry in entries],
        [json.dumps(entry.details) if entry.details else None for _, entry in entries],
    ]


def _shipment_columns(orders: Sequence[OrderState]) -> list[list[Any]]:
    seen = [(order.id, order.shipments[id]) for order in orders for id in order.changed_shipments]
    return [
        [shipment.id for _, shipment in seen],
        [order_id for order_id, _ in seen],
        [shipment.status for _, shipment in seen],
        [shipment.shipments_of_order for _, shipment in seen],
        [shipment.carrier for _, shipment in seen],
        [shipment.tracking_number for _, shipment in seen],
        [shipment.version for _, shipment in seen],
        [shipment.tracking_url for _, shipment in seen],
        [json.dumps(shipment.lines) if shipment.lines is not None else None for _, shipment in seen],
    ]


def _state(row: Any) -> OrderState:
    return OrderState(
        id=row["id"],
        number=str(row["number"]),
        customer_id=row["customer_id"],
        status=Status(row["status"]),
        currency=row["currency"],
        total=row["total"],
        captured=row["captured"],
        refunded=row["refunded"],
        refunding=row["refunding"],
        pay_by=row["pay_by"],
        ship_to=json.loads(row["ship_to"]),
        version=row["version"],
        status_since=row["status_since"],
        delivered_at=row["delivered_at"],
        client_address=row["client_address"],
        pays_by_token=row["pays_by_token"],
    )
