"""Reading orders: one as it is sent, of which PostgreSQL writes the JSON, so that a large order costs the event loop
nothing; and, through the session, lists of orders, the lines of one, and its history."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from contracts.address import Address
from order_service.orders.models import (
    FulfilmentStatus,
    HistoryEntry,
    Order,
    OrderLine,
    OrderShipment,
    PaymentStatus,
    Status,
)
from service_kit.database import Connection, Session, Statement, Transaction
from service_kit.database.keyset import Position, Slice, keyset
from service_kit.database.summaries import SUMMARY_LINES
from service_kit.problems import not_found

_TIME = """'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'"""
# Addresses that were stored before the contract had all its present fields have none of the newer ones.
_NO_ADDRESS = json.dumps({name: None for name, field in Address.model_fields.items() if not field.is_required()})
# models.payment_status, in SQL.
PAYMENT_STATUS = f"""
CASE WHEN o.captured > 0 AND o.captured <= o.refunded THEN '{PaymentStatus.REFUNDED}'
     WHEN o.captured - o.refunded >= o.total THEN '{PaymentStatus.PAID}'
     WHEN o.refunded > 0 THEN '{PaymentStatus.PARTIALLY_REFUNDED}'
     WHEN o.captured > 0 THEN '{PaymentStatus.PARTIALLY_PAID}'
     ELSE '{PaymentStatus.UNPAID}' END
"""
# Everything that changes the answer changes the tag: a refund, the mark of the sweeper and the erasure of an account
# leave the version as it is.
TAG = """
concat_ws('.', o.version, nullif(o.refunded, 0), CASE WHEN o.stuck_reason IS NOT NULL THEN 'still' END,
          CASE WHEN o.ship_to->>'name' = 'erased' THEN 'erased' END)
"""
LINES = """
json_agg(json_build_object(
    'product_id', l.product_id, 'sku', l.sku, 'name', l.name, 'quantity', l.quantity,
    'unit_price', json_build_object('amount', l.unit_price, 'currency', o.currency),
    'total', json_build_object('amount', l.unit_price * l.quantity - l.discount + l.tax, 'currency', o.currency)
) ORDER BY l.position)
"""
PARCELS = """
CASE WHEN o.fulfilment_status = 'unfulfilled' THEN '[]' ELSE (
    SELECT coalesce(json_agg(json_build_object(
        'id', p.id, 'status', p.status, 'carrier', p.carrier, 'tracking_number', p.tracking_number,
        'tracking_url', p.tracking_url
    ) ORDER BY p.id), '[]') FROM order_shipments p WHERE p.order_id = o.id
) END
"""
# schemas.OrderOut, as JSON.
BODY = f"""
json_build_object(
    'id', o.id, 'number', o.number::text, 'customer_id', o.customer_id, 'status', o.status,
    'payment_status', {PAYMENT_STATUS}, 'fulfilment_status', o.fulfilment_status,
    'line_count', of_order.line_count, 'lines', of_order.lines,
    'total', json_build_object('amount', o.total, 'currency', o.currency),
    'ship_to', '{_NO_ADDRESS}'::jsonb || o.ship_to,
    'pay_by', to_char(o.pay_by AT TIME ZONE 'UTC', {_TIME}),
    'created_at', to_char(o.created_at AT TIME ZONE 'UTC', {_TIME}),
    'stuck_reason', CASE WHEN :for_staff THEN o.stuck_reason END, 'version', o.version, 'parcels', {PARCELS}
)::text
"""
SHOW = Statement(f"""
SELECT {BODY} AS body, {TAG} AS tag
FROM orders o, LATERAL (
    SELECT count(*) AS line_count, coalesce({LINES}, '[]') AS lines FROM order_lines l WHERE l.order_id = o.id
) AS of_order
WHERE o.id = :order_id AND (:owner::uuid IS NULL OR o.customer_id = :owner)
""")  # noqa: S608 (constants of this module)
LINE_COUNTS = Statement("""
SELECT wanted.id, (SELECT position FROM order_lines WHERE order_id = wanted.id ORDER BY position DESC LIMIT 1)
FROM unnest(:order_ids::uuid[]) AS wanted (id)
""")
LINES_OF = Statement("SELECT * FROM order_lines WHERE order_id = ANY(:order_ids::uuid[]) ORDER BY order_id, position")


class RenderedOrder(NamedTuple):
    """An order as it is sent."""

    body: str
    tag: str


async def show(
    session: Connection | Transaction, order_id: UUID, owner: UUID | None, *, for_staff: bool
) -> RenderedOrder:
    """Hot: the whole answer from one statement (benchmark: read an order). `owner` None: anybody's. `for_staff`: with
    what it waits for, which is not for customers. Raises: NotFound.

    Within a transaction it is the order as that has changed it.
    """
    row = await SHOW.fetchrow(session, order_id=order_id, owner=owner, for_staff=for_staff)
    return RenderedOrder(*row) if row else not_found(Order, order_id)


async def lines_of(tx: Transaction, order_ids: Sequence[UUID]) -> dict[UUID, list[Any]]:
    """What was ordered, by order, in the order of the lines. Plain rows, which cost a tenth of objects of the ORM."""
    lines: dict[UUID, list[Any]] = defaultdict(list)
    for row in await LINES_OF.fetch(tx, order_ids=list(order_ids)):
        lines[row["order_id"]].append(row)
    return lines


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list of orders is narrowed to; None and empty: to nothing."""

    customer_id: UUID | None
    statuses: Sequence[Status]
    number: int | None
    stuck: bool | None


@dataclass(frozen=True, slots=True)
class FirstLines:
    """What a list shows of an order's lines and parcels."""

    count: int
    lines: Sequence[Any]
    parcels: Sequence[Any] = ()


async def orders(tx: Session, position: Position, wanted: Wanted) -> tuple[Slice[Order], Mapping[UUID, FirstLines]]:
    """A page of orders, and the first of their lines. UUIDv7 sorts by the time of creation."""
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
    first = await _first_lines(tx, [order.id for order in found.rows])
    packed = [order.id for order in found.rows if order.fulfilment_status != FulfilmentStatus.UNFULFILLED]
    parcels = await _parcels(tx, packed) if packed else {}
    return found, {id: replace(lines, parcels=parcels.get(id, ())) for id, lines in first.items()}


async def lines(
    tx: Session, position: Position, order_id: UUID, customer_id: UUID | None
) -> tuple[Order, Slice[OrderLine]]:
    """An order, and a page of its lines. `customer_id` None: anybody's. Raises: NotFound."""
    found = await find(tx, order_id, customer_id)
    statement = select(OrderLine).where(OrderLine.order_id == order_id)
    return found, await keyset(tx, statement, position, OrderLine.position)


async def history(tx: Session, position: Position, order_id: UUID, customer_id: UUID | None) -> Slice[HistoryEntry]:
    """Raises: NotFound."""
    await find(tx, order_id, customer_id)
    statement = select(HistoryEntry).where(HistoryEntry.order_id == order_id)
    return await keyset(tx, statement, position, HistoryEntry.version)


async def find(tx: AsyncSession, order_id: UUID, customer_id: UUID | None) -> Order:
    """`customer_id` None: anybody's. Raises: NotFound."""
    statement = select(Order).where(Order.id == order_id)
    if customer_id is not None:
        statement = statement.where(Order.customer_id == customer_id)
    return (await tx.exec(statement)).one_or_none() or not_found(Order, order_id)


async def _parcels(tx: AsyncSession, order_ids: Sequence[UUID]) -> Mapping[UUID, Sequence[Any]]:
    columns = (OrderShipment.order_id, OrderShipment.id, OrderShipment.status, OrderShipment.carrier)
    statement = (
        select(*columns, OrderShipment.tracking_number, OrderShipment.tracking_url)  # type: ignore[call-overload]
        .where(col(OrderShipment.order_id).in_(order_ids))
        .order_by(col(OrderShipment.id))
    )
    found: dict[UUID, list[Any]] = defaultdict(list)
    for row in await tx.exec(statement):
        found[row.order_id].append(row)
    return found


async def _first_lines(tx: AsyncSession, order_ids: Sequence[UUID]) -> Mapping[UUID, FirstLines]:
    """Positions count from 1 without a gap, so that the first lines and the last position say it all: of an order of
    2,000 lines six rows are read. Plain rows, since objects of the session would cost more than all the rest."""
    columns = (OrderLine.order_id, OrderLine.product_id, OrderLine.sku, OrderLine.name, OrderLine.quantity)
    statement = (
        select(*columns, OrderLine.unit_price, OrderLine.discount, OrderLine.tax)  # type: ignore[call-overload]
        .where(col(OrderLine.order_id).in_(order_ids), col(OrderLine.position) <= SUMMARY_LINES)
        .order_by(col(OrderLine.order_id), col(OrderLine.position))
    )
    first: dict[UUID, list[Any]] = defaultdict(list)
    for row in await tx.exec(statement):
        first[row.order_id].append(row)
    large = [order_id for order_id, lines in first.items() if len(lines) == SUMMARY_LINES]
    counts = {row[0]: row[1] for row in await LINE_COUNTS.fetch(tx, order_ids=large)} if large else {}
    return {id: FirstLines(counts.get(id, len(first[id])), first[id]) for id in order_ids}
