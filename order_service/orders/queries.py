"""Locking and changing orders; `placing_queries` makes one, `reading` shows them."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from order_service.orders import events
from order_service.orders.lifecycle import EventKind, OrderState, Shipment
from order_service.orders.models import BEFORE_PAID, ENDS, HistoryEntry, Order, OrderShipment
from order_service.orders.reading import PAYMENT_STATUS, TAG
from service_kit.database import Statement, Transaction, insert, rows
from service_kit.database.signals import signal
from service_kit.messaging import outbox

# Whether a payment token came with the order matters only when a pending order's stock is decided. It is looked up by
# the token's key, and not by EXISTS, which may read all of the table.
LOCK = Statement("""
SELECT id, number::text, customer_id, status, currency, total, captured, refunded, refunding, pay_by, ship_to, version,
       status_since, delivered_at, client_address,
       status = 'pending' AND (SELECT true FROM payment_tokens WHERE order_id = orders.id) IS TRUE AS pays_by_token
FROM orders WHERE id = ANY(:ids::uuid[]) ORDER BY id FOR UPDATE
""")
SHIPMENTS = Statement("""
SELECT id, order_id, status, shipments_of_order, carrier, tracking_number, tracking_url, version
FROM order_shipments WHERE order_id = ANY(:order_ids::uuid[])
""")
_SAVED = ("id", "status", "fulfilment_status", "captured", "status_since", "delivered_at", "version")
# All that a move of orders changes, in one statement, so that a batch costs one round trip more than its locks.
SAVE = Statement(f"""
WITH saved AS (
    UPDATE orders SET status = moved.status, fulfilment_status = moved.fulfilment_status, captured = moved.captured,
        status_since = moved.status_since, delivered_at = moved.delivered_at, version = moved.version,
        stuck_reason = NULL,
        client_address = CASE WHEN moved.status IN ('pending', 'awaiting_payment') THEN orders.client_address END
    FROM {rows("moved", Order, *_SAVED)} WHERE orders.id = moved.id
), history AS (
    {insert("entries", HistoryEntry)}
), parcels AS (
    {insert("shipments", OrderShipment)}
    ON CONFLICT (id) DO UPDATE SET status = excluded.status, shipments_of_order = excluded.shipments_of_order,
        carrier = excluded.carrier, tracking_number = excluded.tracking_number, version = excluded.version,
        tracking_url = excluded.tracking_url, lines = coalesce(excluded.lines, order_shipments.lines)
), unused_tokens AS (
    DELETE FROM payment_tokens WHERE order_id = ANY(:ended::uuid[])
), open_payments AS (  -- the reconciler cancels what the gateway has not captured
    UPDATE payments SET check_at = now() WHERE order_id = ANY(:ended::uuid[]) AND settled_at IS NULL
)
{outbox.INSERT}
""")
CHANGE_SHIP_TO = Statement("UPDATE orders SET ship_to = :order.ship_to::jsonb WHERE id = :order.id")
EXISTS = Statement("SELECT true FROM orders WHERE id = :order_id")
# Locked orders are being paid or cancelled: they are skipped, and the next run reads them again.
UNPAID_AND_DUE = Statement("""
SELECT id FROM orders WHERE status = 'awaiting_payment' AND pay_by <= :now
ORDER BY pay_by LIMIT :limit FOR UPDATE SKIP LOCKED
""")
PAST_RETURN_WINDOW = Statement("""
SELECT id FROM orders WHERE status = 'delivered' AND delivered_at <= :since
ORDER BY delivered_at LIMIT :limit FOR UPDATE SKIP LOCKED
""")
SNAPSHOTS = Statement(f"""
SELECT id AS order_id, status, version, {PAYMENT_STATUS} AS payment_status, {TAG} AS tag
FROM orders o WHERE id = ANY(:ids::uuid[])
""")
# The next step of a stuck order removes the reason. `pay_by` is not looked at: only a job that does not run would leave
# unpaid orders behind.
MARK_STUCK = Statement("""
WITH found AS (
    SELECT id, CASE status
        WHEN 'pending' THEN 'inventory has not answered the reservation'
        WHEN 'paid' THEN 'inventory has made no shipments'
        WHEN 'cancelling' THEN 'inventory has not answered the release'
    END AS reason
    FROM orders
    WHERE stuck_reason IS NULL AND status_since <= :since
      AND (status IN ('pending', 'cancelling') OR status = 'paid' AND fulfilment_status = 'unfulfilled')
    ORDER BY id LIMIT 1000 FOR UPDATE SKIP LOCKED
)
UPDATE orders SET stuck_reason = found.reason FROM found WHERE orders.id = found.id
RETURNING orders.number, found.reason
""")
COUNT_STUCK = Statement("""
SELECT stuck_reason, count(*) FROM orders WHERE stuck_reason IS NOT NULL GROUP BY stuck_reason
""")


ORDERS_CHANGED = "orders-changed"
"""A signal with an `OrderSnapshot` of each order that a transaction changed."""
AWAITING_PAYMENT = "orders-awaiting-payment"
"""A signal with the ids of the orders that became `awaiting_payment`."""


class OrderSnapshot(NamedTuple):
    """An order after a commit or a poll. `tag` None: not known, it may have changed."""

    order_id: UUID
    status: str
    version: int
    payment_status: str
    tag: str | None = None


async def lock_many(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, OrderState]:
    """Those orders, held until the transaction ends; always in ascending id, so that no two writers wait in a ring."""
    found = {order.id: order for order in await LOCK.fetch_as(tx, OrderState, ids=list(set(ids)))}
    fulfilled = [order.id for order in found.values() if order.status not in BEFORE_PAID]
    # Read after the lock: what another writer committed while we waited is seen.
    for shipment in await SHIPMENTS.fetch_as(tx, Shipment, order_ids=fulfilled) if fulfilled else ():
        found[shipment.order_id].shipments[shipment.id] = shipment
    return found


async def lock(tx: Transaction, order_id: UUID, *, of: UUID | None = None) -> OrderState | None:
    """One order, held until the transaction ends; None if there is none, or it is not `of` that customer."""
    order = (await lock_many(tx, [order_id])).get(order_id)
    return order if order and of in (None, order.customer_id) else None


async def save(tx: Transaction, orders: Iterable[OrderState]) -> None:
    """Hot: what `OrderState.move` changed of these orders (row, history, shipments), and the events that it made.

    A refund that a move made due (`to_refund`) is left to the caller: `payments.refunds.save` requests it, too.
    """
    moved = [order for order in orders if order.entries]
    if not moved:
        return
    await SAVE.execute(
        tx,
        moved=moved,
        entries=[entry for order in moved for entry in order.entries],
        shipments=[order.shipments[id] for order in moved for id in order.changed_shipments],
        ended=[order.id for order in moved if order.status in ENDS],
        events=await events.of(tx, moved),
    )
    tx.added_events = True
    _signal_moved(tx, moved)
    for order in moved:
        order.entries, order.pending_events = [], []


def signal_changed(tx: Transaction, changed: Iterable[OrderState]) -> None:
    """Wakes the requests of this process that wait for one of them."""
    seen = [OrderSnapshot(order.id, order.status, order.version, order.payment_status) for order in changed]
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
