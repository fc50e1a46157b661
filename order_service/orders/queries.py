"""Statements that lock, change, show and list orders; `placing_queries` inserts new ones."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlmodel import select

from order_service.orders import events, metrics
from order_service.orders.lifecycle import EventKind, OrderState, Shipment
from order_service.orders.models import (
    BEFORE_PAID,
    ENDS,
    UNWANTED,
    FulfilmentStatus,
    HistoryEntry,
    Order,
    OrderLine,
    OrderShipment,
    Status,
)
from order_service.orders.rendering_queries import TAG
from service_kit.database import AnySession, Session, Statement, Transaction, insert, rows
from service_kit.database.keyset import Position, Slice, keyset
from service_kit.database.signals import signal
from service_kit.database.summaries import SUMMARY_LINES
from service_kit.messaging import outbox
from service_kit.problems import not_found

# Whether a payment token came with the order matters only when a pending order's stock is decided. It is looked up by
# the token's key, and not by EXISTS, which may read all of the table.
LOCK = Statement("""
SELECT id, number::text, customer_id, status, currency, total, captured, refunded, refunding, pay_by, ship_to, version,
       status_since, delivered_at, client_address, redeemed, shipping,
       status = 'pending' AND (SELECT true FROM payment_tokens WHERE order_id = orders.id) IS TRUE AS pays_by_token
FROM orders WHERE id = ANY(:ids::uuid[]) ORDER BY id FOR UPDATE
""")
SHIPMENTS = Statement("""
SELECT order_id, id, status, shipments_of_order, carrier, tracking_number, tracking_url, version
FROM order_shipments WHERE order_id = ANY(:order_ids::uuid[]) ORDER BY id
""")
_SAVED = ("id", "status", "fulfilment_status", "captured", "status_since", "delivered_at", "version")
# Everything that `OrderState.move` changes, in one statement, so that saving a batch costs one round trip.
SAVE = Statement(f"""
WITH saved AS (
    UPDATE orders SET status = moved.status, fulfilment_status = moved.fulfilment_status, captured = moved.captured,
        status_since = moved.status_since, delivered_at = moved.delivered_at, version = moved.version,
        stuck_reason = NULL,
        client_address = CASE WHEN moved.status IN ('pending', 'awaiting_payment') THEN orders.client_address END
    FROM {rows("moved", Order, *_SAVED)} WHERE orders.id = moved.id
), history AS (
    {insert("entries", HistoryEntry)} RETURNING order_id, at, from_status, to_status
), to_invoice AS (  -- nothing, unless invoices are issued
    INSERT INTO invoice_requests (order_id, at)
    SELECT step.order_id, step.at FROM history AS step
    JOIN invoice_policy AS policy ON CASE policy.issue_at
        WHEN 'paid' THEN step.from_status = 'awaiting_payment' AND step.to_status = 'paid'
        ELSE step.from_status IN ('paid', 'cancelling')
            AND step.to_status IN ('partially_shipped', 'shipped', 'delivered')
    END
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
# The uses of codes by orders that ended without a sale, exactly once: a use that was released is not found again.
# Locks are taken as in placing: counters of promotions, of codes, of customers, each in ascending order.
RELEASE_USES = Statement("""
WITH back AS (
    UPDATE redemptions SET released_at = now() WHERE order_id = ANY(:order_ids::uuid[]) AND released_at IS NULL
    RETURNING promotion_id, code, customer_key
), by_promotion AS (
    SELECT promotion_id, count(*) AS uses FROM back GROUP BY promotion_id
), held AS (
    SELECT u.promotion_id FROM by_promotion, promotion_uses u WHERE u.promotion_id = by_promotion.promotion_id
    ORDER BY u.promotion_id FOR UPDATE OF u
), uses AS (
    UPDATE promotion_uses u SET used = u.used - by_promotion.uses FROM held JOIN by_promotion USING (promotion_id)
    WHERE u.promotion_id = held.promotion_id RETURNING true
), by_code AS (
    SELECT code, count(*) AS uses FROM back GROUP BY code
), held_codes AS (
    SELECT c.code FROM (SELECT count(*) FROM uses) AS after_uses, by_code, promotion_codes c
    WHERE c.code = by_code.code AND c.most IS NOT NULL ORDER BY c.code FOR UPDATE OF c
), codes AS (
    UPDATE promotion_codes c SET used = c.used - by_code.uses FROM held_codes JOIN by_code USING (code)
    WHERE c.code = held_codes.code RETURNING true
), by_customer AS (
    SELECT promotion_id, customer_key, count(*) AS uses FROM back GROUP BY promotion_id, customer_key
), held_customers AS (
    SELECT p.promotion_id, p.customer_key
    FROM (SELECT count(*) FROM codes) AS after_codes, by_customer, promotion_customers p
    WHERE (p.promotion_id, p.customer_key) = (by_customer.promotion_id, by_customer.customer_key)
    ORDER BY p.promotion_id, p.customer_key FOR UPDATE OF p
)
UPDATE promotion_customers p SET used = p.used - by_customer.uses
FROM held_customers h JOIN by_customer USING (promotion_id, customer_key)
WHERE (p.promotion_id, p.customer_key) = (h.promotion_id, h.customer_key)
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
# The next step of a stuck order removes the reason. Overdue unpaid orders are not marked: only a job that does not run
# would leave them behind.
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
SNAPSHOTS = Statement(f"""
SELECT id AS order_id, status, (SELECT true FROM payment_tokens WHERE order_id = o.id) IS TRUE AS pays_by_token,
       {TAG} AS tag
FROM orders o WHERE id = ANY(:ids::uuid[])
""")
_LINE_COLUMNS = ", ".join(OrderLine.model_fields)
LINES = Statement(f"""
SELECT {_LINE_COLUMNS} FROM order_lines WHERE order_id = ANY(:order_ids::uuid[]) ORDER BY order_id, position
""")
# Positions count from 1 without a gap, so the last position is the number of lines: the summary of an order of 2,000
# lines reads six rows.
FIRST_LINES = Statement(f"""
SELECT {_LINE_COLUMNS} FROM order_lines
WHERE order_id = ANY(:order_ids::uuid[]) AND position <= {SUMMARY_LINES} ORDER BY order_id, position
""")
LAST_POSITIONS = Statement("""
SELECT large.id, (SELECT position FROM order_lines WHERE order_id = large.id ORDER BY position DESC LIMIT 1)
FROM unnest(:order_ids::uuid[]) AS large (id)
""")


ORDERS_CHANGED = "orders-changed"
"""A signal with an `OrderSnapshot` of each order that a transaction changed."""
AWAITING_PAYMENT = "orders-awaiting-payment"
"""A signal with the ids of the orders that became `awaiting_payment`."""


class OrderSnapshot(NamedTuple):
    """An order as it is after a commit or in a poll. `tag` None: unknown, it may have changed."""

    order_id: UUID
    status: str
    pays_by_token: bool
    """Whether it came with a payment token that is still to be charged."""
    tag: str | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether its stock, or the payment by its token, is still to be decided."""
        return self.status == Status.PENDING or (self.status == Status.AWAITING_PAYMENT and self.pays_by_token)


async def lock_many(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, OrderState]:
    """These orders, locked until the transaction ends; always in ascending order of id, to prevent deadlocks."""
    found = {order.id: order for order in await LOCK.fetch_as(tx, OrderState, ids=list(set(ids)))}
    fulfilled = [order.id for order in found.values() if order.status not in BEFORE_PAID]
    # Read after the lock, to include what another writer committed while we waited.
    for shipment in await SHIPMENTS.fetch_as(tx, Shipment, order_ids=fulfilled) if fulfilled else ():
        found[shipment.order_id].shipments[shipment.id] = shipment
    return found


async def lock(tx: Transaction, order_id: UUID, *, of: UUID | None = None) -> OrderState | None:
    """One order, locked until the transaction ends; None if it does not exist, or is another customer's than `of`."""
    order = (await lock_many(tx, [order_id])).get(order_id)
    return order if order and of in (None, order.customer_id) else None


async def save(tx: Transaction, orders: Iterable[OrderState]) -> None:
    """Hot: saves what `OrderState.move` changed (row, history, shipments), with its events. An order that ends without
    a sale releases the uses of its codes; one that is returned does not, since the customer had the goods.

    It does not request refunds (`to_refund`); `payments.refunds.save` does both.
    """
    moved = [order for order in orders if order.entries]
    if not moved:
        return
    wanting = [order.id for order in moved if any(each.kind in events.NEED_LINES for each in order.pending_events)]
    lines = await lines_of(tx, wanting) if wanting else {}
    await SAVE.execute(
        tx,
        moved=moved,
        entries=[entry for order in moved for entry in order.entries],
        shipments=[order.shipments[id] for order in moved for id in order.changed_shipments],
        ended=[order.id for order in moved if order.status in ENDS],
        events=events.of(moved, lines),
    )
    if lost := [order.id for order in moved if order.redeemed and order.status in UNWANTED]:
        await RELEASE_USES.execute(tx, order_ids=lost)
    tx.added_events = True
    _signal_moved(tx, moved)
    for order in moved:
        order.entries, order.pending_events = [], []


def signal_changed(tx: Transaction, changed: Iterable[OrderState]) -> None:
    """Wakes the requests of this process that wait for one of these orders."""
    signal(tx, ORDERS_CHANGED, *(OrderSnapshot(order.id, order.status, order.pays_by_token) for order in changed))


def _signal_moved(tx: Transaction, moved: Sequence[OrderState]) -> None:
    signal_changed(tx, moved)
    signal(tx, metrics.MOVED, *((order, order.entries) for order in moved))
    awaiting = [
        order.id
        for order in moved
        if any(pending.kind is EventKind.AWAITING_PAYMENT for pending in order.pending_events)
    ]
    if awaiting:
        signal(tx, AWAITING_PAYMENT, *awaiting)


class Summary(NamedTuple):
    """The lines and parcels of an order that a list shows."""

    lines: Sequence[Any]
    line_count: int
    parcels: Sequence[Any]


async def line_counts(tx: Session, order_ids: Sequence[UUID]) -> Mapping[UUID, int]:
    """How many lines each of these orders has."""
    return dict(await LAST_POSITIONS.fetch(tx, order_ids=order_ids))


async def lines_of(tx: AnySession, order_ids: Sequence[UUID]) -> Mapping[UUID, Sequence[Any]]:
    """The lines of each order, sorted by position."""
    return await _by_order(LINES, tx, order_ids)


async def summaries(tx: Session, orders: Sequence[Order]) -> Mapping[UUID, Summary]:
    """A summary of each of the orders of a page."""
    first = await _by_order(FIRST_LINES, tx, [order.id for order in orders])
    large = [order_id for order_id, lines in first.items() if len(lines) == SUMMARY_LINES]
    counts = await line_counts(tx, large) if large else {}
    packed = [order.id for order in orders if order.fulfilment_status != FulfilmentStatus.UNFULFILLED]
    parcels = await _by_order(SHIPMENTS, tx, packed) if packed else {}
    return {
        order.id: Summary(first[order.id], counts.get(order.id, len(first[order.id])), parcels.get(order.id, ()))
        for order in orders
    }


async def lines(
    tx: Session, position: Position, order_id: UUID, customer_id: UUID | None
) -> tuple[Order, Slice[OrderLine]]:
    """An order, and a page of its lines. `customer_id` None: any customer's. Raises: NotFound."""
    found = await find(tx, order_id, customer_id)
    statement = select(OrderLine).where(OrderLine.order_id == order_id)
    return found, await keyset(tx, statement, position, OrderLine.position)


async def history(tx: Session, position: Position, order_id: UUID, customer_id: UUID | None) -> Slice[HistoryEntry]:
    """Raises: NotFound."""
    await find(tx, order_id, customer_id)
    statement = select(HistoryEntry).where(HistoryEntry.order_id == order_id)
    return await keyset(tx, statement, position, HistoryEntry.version)


async def find(tx: Session, order_id: UUID, customer_id: UUID | None) -> Order:
    """`customer_id` None: any customer's. Raises: NotFound."""
    statement = select(Order).where(Order.id == order_id)
    if customer_id is not None:
        statement = statement.where(Order.customer_id == customer_id)
    return (await tx.exec(statement)).one_or_none() or not_found(Order, order_id)


async def _by_order(statement: Statement, db: AnySession, order_ids: Sequence[UUID]) -> defaultdict[UUID, list[Any]]:
    """Rows by their first column, the order's id. Plain rows cost a tenth of the ORM's objects."""
    found: defaultdict[UUID, list[Any]] = defaultdict(list)
    for row in await statement.fetch(db, order_ids=list(order_ids)):
        found[row[0]].append(row)
    return found
