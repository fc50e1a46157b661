"""Orders as CSV, a row for each line, read and sent in small parts."""

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog

from order_service.orders import queries as orders
from order_service.orders.models import Order
from order_service.pricing.lines import line_total
from order_service.search import queries
from order_service.search.models import Wanted
from service_kit.csv_lines import csv_lines
from service_kit.database import Database
from service_kit.database.keyset import Position, keyset
from service_kit.ids import uuid7

log = structlog.get_logger(__name__)
COLUMNS = (
    "order_number", "order_id", "placed_at", "status", "payment_status", "fulfilment_status", "customer_id",
    "recipient", "country", "currency", "order_total", "position", "product_id", "sku", "name", "quantity",
    "unit_price", "discount", "tax", "line_total",
)  # fmt: skip
PAGE = 200
MOST_LINES = 2_000
"""Lines that are read together, or those of one order, if it has more: what an export holds in memory."""


async def chunks(database: Database, wanted: Wanted) -> AsyncGenerator[str, None]:
    """The header, then the rows of orders in the sequence in which they were placed, until the export began.

    Between two parts no connection is held, so that a slow reader keeps nothing from others. Therefore the parts are
    not of one snapshot: each shows its orders as they are when it is read.
    """
    unsent, before, position, count = csv_lines([COLUMNS]), uuid7(), Position(PAGE), 0
    while True:
        async with database.session() as tx:
            statement = (await queries.matching(tx, wanted)).where(Order.id < before)
            found = await keyset(tx, statement, position, Order.id)
            sizes = await orders.line_counts(tx, [order.id for order in found.rows])
        for group in _groups(found.rows, sizes):
            async with database.session() as tx:
                lines = await orders.lines_of(tx, [order.id for order in group])
            yield unsent + csv_lines(_row(order, line) for order in group for line in lines[order.id])
            unsent = ""
        count += len(found.rows)
        if found.next is None:
            break
        position = Position(PAGE, found.next)
    if unsent:
        yield unsent
    log.info("orders_exported", orders=count)


def _groups(found: Sequence[Order], sizes: Mapping[UUID, int]) -> Iterator[list[Order]]:
    """The orders in groups with at most MOST_LINES lines, or of one order."""
    group: list[Order] = []
    lines = 0
    for order in found:
        size = sizes.get(order.id) or 0
        if group and lines + size > MOST_LINES:
            yield group
            group, lines = [], 0
        group.append(order)
        lines += size
    if group:
        yield group


def _row(order: Order, line: Any) -> Sequence[Any]:
    return (
        order.number, order.id, order.created_at.isoformat(), order.status, order.payment_status,
        order.fulfilment_status, order.customer_id, order.ship_to["name"], order.ship_to["country"], order.currency,
        order.total, line.position, line.product_id, line.sku, line.name, line.quantity,
        line.unit_price, line.discount, line.tax, line_total(line),
    )  # fmt: skip
