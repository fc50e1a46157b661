"""Lists about orders, through the session: orders, the lines of one, and its history. One order is `reading`'s."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from order_service.orders.models import FulfilmentStatus, HistoryEntry, Order, OrderLine, OrderShipment, Status
from service_kit.database import Tx
from service_kit.database.doors import fetch
from service_kit.database.keyset import Position, Slice, keyset
from service_kit.database.summaries import SUMMARY_LINES
from service_kit.problems import not_found

LINE_COUNTS = """
SELECT wanted.id, (SELECT position FROM order_lines WHERE order_id = wanted.id ORDER BY position DESC LIMIT 1)
FROM unnest($1::uuid[]) AS wanted (id)
"""
LINES = "SELECT * FROM order_lines WHERE order_id = $1 ORDER BY position"


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


async def orders(tx: Tx, position: Position, wanted: Wanted) -> tuple[Slice[Order], Mapping[UUID, FirstLines]]:
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


async def lines(tx: Tx, position: Position, order_id: UUID, customer_id: UUID | None) -> tuple[Order, Slice[OrderLine]]:
    """An order, and a page of its lines. `customer_id` None: anybody's. Raises: NotFound."""
    found = await find(tx, order_id, customer_id)
    statement = select(OrderLine).where(OrderLine.order_id == order_id)
    return found, await keyset(tx, statement, position, OrderLine.position)


async def history(tx: Tx, position: Position, order_id: UUID, customer_id: UUID | None) -> Slice[HistoryEntry]:
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
    counts = {row[0]: row[1] for row in await fetch(tx, LINE_COUNTS, large)} if large else {}
    return {id: FirstLines(counts.get(id, len(first[id])), first[id]) for id in order_ids}
