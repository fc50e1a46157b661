"""Statements that lock, change, show and list orders; `placing_queries` inserts new ones."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from sqlmodel import col, select

from contracts.address import Address
from order_service.orders import events, metrics
from order_service.orders.lifecycle import EventKind, OrderState, Shipment
from order_service.orders.models import (
    BEFORE_PAID,
    ENDS,
    FulfilmentStatus,
    HistoryEntry,
    Order,
    OrderLine,
    OrderShipment,
    PaymentStatus,
    Status,
)
from service_kit.database import AnySession, Connection, Session, Statement, Transaction, insert, rows
from service_kit.database.keyset import Position, Slice, keyset
from service_kit.database.signals import signal
from service_kit.database.summaries import SUMMARY_LINES
from service_kit.messaging import outbox
from service_kit.problems import not_found

# Whether a payment token came with the order matters only when a pending order's stock is decided. It is looked up by
# the token's key, and not by EXISTS, which may read all of the table.
LOCK = Statement("""
SELECT id, number::text, customer_id, status, currency, total, captured, refunded, refunding, pay_by, ship_to, version,
       status_since, delivered_at, client_address, shipping,
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
_TIME = """'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'"""
# Adds newer optional fields of the contract, as null, to addresses that were stored without them.
_NO_ADDRESS = json.dumps({name: None for name, field in Address.model_fields.items() if not field.is_required()})
# The same rules as in `models.payment_status`.
PAYMENT_STATUS = f"""
CASE WHEN o.captured > 0 AND o.captured <= o.refunded THEN '{PaymentStatus.REFUNDED}'
     WHEN o.captured - o.refunded >= o.total THEN '{PaymentStatus.PAID}'
     WHEN o.refunded > 0 THEN '{PaymentStatus.PARTIALLY_REFUNDED}'
     WHEN o.captured > 0 THEN '{PaymentStatus.PARTIALLY_PAID}'
     ELSE '{PaymentStatus.UNPAID}' END
"""
# Every change of the response must change the tag. Refunds, `stuck_reason` and the erasure of an account don't change
# the version, so they are parts of the tag.
TAG = """
concat_ws('.', o.version, nullif(o.refunded, 0), CASE WHEN o.stuck_reason IS NOT NULL THEN 'still' END,
          CASE WHEN o.ship_to->>'name' = 'erased' THEN 'erased' END)
"""
SNAPSHOTS = Statement(f"""
SELECT id AS order_id, status, (SELECT true FROM payment_tokens WHERE order_id = o.id) IS TRUE AS pays_by_token,
       {TAG} AS tag
FROM orders o WHERE id = ANY(:ids::uuid[])
""")
_LINES = """
json_agg(json_build_object(
    'product_id', l.product_id, 'sku', l.sku, 'name', l.name, 'quantity', l.quantity,
    'unit_price', json_build_object('amount', l.unit_price, 'currency', o.currency),
    'total', json_build_object('amount', l.unit_price * l.quantity - l.discount + l.tax, 'currency', o.currency)
) ORDER BY l.position)
"""
_PARCELS = """
CASE WHEN o.fulfilment_status = 'unfulfilled' THEN '[]' ELSE (
    SELECT coalesce(json_agg(json_build_object(
        'id', p.id, 'status', p.status, 'carrier', p.carrier, 'tracking_number', p.tracking_number,
        'tracking_url', p.tracking_url
    ) ORDER BY p.id), '[]') FROM order_shipments p WHERE p.order_id = o.id
) END
"""
# `schemas.OrderOut` as JSON, written by PostgreSQL, so that a large order doesn't block the event loop.
_BODY = f"""
json_build_object(
    'id', o.id, 'number', o.number::text, 'customer_id', o.customer_id, 'status', o.status,
    'payment_status', {PAYMENT_STATUS}, 'fulfilment_status', o.fulfilment_status,
    'line_count', of_order.line_count, 'lines', of_order.lines,
    'total', json_build_object('amount', o.total, 'currency', o.currency),
    'ship_to', '{_NO_ADDRESS}'::jsonb || o.ship_to,
    'pay_by', to_char(o.pay_by AT TIME ZONE 'UTC', {_TIME}),
    'created_at', to_char(o.created_at AT TIME ZONE 'UTC', {_TIME}),
    'stuck_reason', CASE WHEN :for_staff THEN o.stuck_reason END, 'version', o.version, 'parcels', {_PARCELS}
)::text
"""
SHOW = Statement(f"""
SELECT {_BODY} AS body, {TAG} AS tag
FROM orders o, LATERAL (
    SELECT count(*) AS line_count, coalesce({_LINES}, '[]') AS lines FROM order_lines l WHERE l.order_id = o.id
) AS of_order
WHERE o.id = :order_id AND (:owner::uuid IS NULL OR o.customer_id = :owner)
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
    """Hot: saves what `OrderState.move` changed (row, history, shipments), with its events.

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


class RenderedOrder(NamedTuple):
    """The body of an order's response, and its tag."""

    body: str
    tag: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """The filters of a list of orders; None or empty: no filter."""

    customer_id: UUID | None
    statuses: Sequence[Status]
    number: int | None
    stuck: bool | None


class Summary(NamedTuple):
    """The lines and parcels of an order that a list shows."""

    lines: Sequence[Any]
    line_count: int
    parcels: Sequence[Any]


async def show(db: Connection | Transaction, order_id: UUID, owner: UUID | None, *, for_staff: bool) -> RenderedOrder:
    """Hot: the whole response from one statement (benchmark: read an order). `owner` None: any customer's. `for_staff`:
    with `stuck_reason`, which customers don't see. Raises: NotFound.

    Within a transaction it includes the transaction's own changes.
    """
    row = await SHOW.fetchrow(db, order_id=order_id, owner=owner, for_staff=for_staff)
    return RenderedOrder(*row) if row else not_found(Order, order_id)


async def lines_of(tx: Transaction, order_ids: Sequence[UUID]) -> Mapping[UUID, Sequence[Any]]:
    """The lines of each order, sorted by position."""
    return await _by_order(LINES, tx, order_ids)


async def search(tx: Session, position: Position, wanted: Wanted) -> tuple[Slice[Order], Mapping[UUID, Summary]]:
    """A page of orders, sorted by id (UUIDv7, so by the time of creation), and a summary of each."""
    statement = select(Order)
    if wanted.customer_id is not None:
        statement = statement.where(Order.customer_id == wanted.customer_id)
    if wanted.statuses:
        statement = statement.where(col(Order.status).in_(wanted.statuses))
    if wanted.number is not None:
        statement = statement.where(Order.number == wanted.number)
    if wanted.stuck is not None:
        reason = col(Order.stuck_reason)
        statement = statement.where(reason.is_not(None) if wanted.stuck else reason.is_(None))
    found = await keyset(tx, statement, position, Order.id)
    first = await _by_order(FIRST_LINES, tx, [order.id for order in found.rows])
    large = [order_id for order_id, lines in first.items() if len(lines) == SUMMARY_LINES]
    counts = dict(await LAST_POSITIONS.fetch(tx, order_ids=large)) if large else {}
    packed = [order.id for order in found.rows if order.fulfilment_status != FulfilmentStatus.UNFULFILLED]
    parcels = await _by_order(SHIPMENTS, tx, packed) if packed else {}
    return found, {
        order.id: Summary(first[order.id], counts.get(order.id, len(first[order.id])), parcels.get(order.id, ()))
        for order in found.rows
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
