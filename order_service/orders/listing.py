"""Orders as they are read, through the session: one, many, and their history."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from order_service.orders.models import HistoryEntry, Order, OrderLine, Status
from order_service.orders.schemas import OrderOut
from service_kit.database import HotTx, Tx
from service_kit.database.keyset import Position, Slice, keyset
from service_kit.problems import not_found

ORDER = "SELECT * FROM orders WHERE id = $1"
LINES = "SELECT * FROM order_lines WHERE order_id = $1 ORDER BY position"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list of orders is narrowed to; None and empty: to nothing."""

    user_id: UUID | None
    statuses: Sequence[Status]
    number: int | None
    standing_still: bool | None
    descending: bool


async def orders(tx: Tx, position: Position, wanted: Wanted) -> tuple[Slice[Order], Mapping[UUID, Sequence[Any]]]:
    """A page of orders, and their lines. UUIDv7 sorts by the time of creation."""
    statement = select(Order)
    if wanted.user_id is not None:
        statement = statement.where(Order.user_id == wanted.user_id)
    if wanted.statuses:
        statement = statement.where(col(Order.status).in_(wanted.statuses))
    if wanted.number is not None:
        statement = statement.where(Order.number == wanted.number)
    if wanted.standing_still is not None:
        still = col(Order.standing_still)
        statement = statement.where(still.is_not(None) if wanted.standing_still else still.is_(None))
    found = await keyset(tx, statement, position, Order.id, descending=wanted.descending)
    return found, await _lines(tx, [order.id for order in found.rows])


async def order(tx: Tx, order_id: UUID, user_id: UUID | None) -> tuple[Order, Sequence[Any]]:
    """`user_id` None: anybody's. Raises: NotFound."""
    found = await find(tx, order_id, user_id)
    return found, (await _lines(tx, [order_id]))[order_id]


async def history(tx: Tx, position: Position, order_id: UUID, user_id: UUID | None) -> Slice[HistoryEntry]:
    """Raises: NotFound."""
    await find(tx, order_id, user_id)
    statement = select(HistoryEntry).where(HistoryEntry.order_id == order_id)
    return await keyset(tx, statement, position, HistoryEntry.version)


async def answer(tx: HotTx, order_id: UUID) -> OrderOut:
    """As it is within this transaction, after a command."""
    row = dict(await tx.fetchrow(ORDER, order_id))
    lines = [OrderLine(**line) for line in await tx.fetch(LINES, order_id)]
    return OrderOut.of(Order(**{**row, "ship_to": json.loads(row["ship_to"])}), lines)


async def find(tx: AsyncSession, order_id: UUID, user_id: UUID | None) -> Order:
    """`user_id` None: anybody's. Raises: NotFound."""
    statement = select(Order).where(Order.id == order_id)
    if user_id is not None:
        statement = statement.where(Order.user_id == user_id)
    return (await tx.exec(statement)).one_or_none() or not_found(Order, order_id)


async def _lines(tx: AsyncSession, order_ids: Sequence[UUID]) -> Mapping[UUID, Sequence[Any]]:
    """Plain rows: a page may have thousands, and objects of the session would cost more than all the rest."""
    columns = (OrderLine.order_id, OrderLine.product_id, OrderLine.sku, OrderLine.name, OrderLine.quantity)
    statement = (
        select(*columns, OrderLine.unit_price)  # type: ignore[call-overload]
        .where(col(OrderLine.order_id).in_(order_ids))
        .order_by(col(OrderLine.order_id), col(OrderLine.position))
    )
    found: dict[UUID, list[Any]] = defaultdict(list)
    for row in await tx.exec(statement):
        found[row.order_id].append(row)
    return found
