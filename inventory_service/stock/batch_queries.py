"""Every statement about batches, but what a dispatch takes of them. Whoever changes one holds its row of `stock`."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple
from uuid import UUID

from sqlmodel import col, select

from inventory_service.stock.models import StockBatch
from service_kit.database import Connection, Session, Transaction
from service_kit.database.keyset import Position, Slice, keyset

ADD = """
INSERT INTO stock_batches (product_id, warehouse_id, expires_on, batch, quantity)
SELECT product_id, $1, expires_on, batch, quantity
FROM unnest($2::uuid[], $3::date[], $4::text[], $5::bigint[]) AS line (product_id, expires_on, batch, quantity)
ON CONFLICT (product_id, warehouse_id, expires_on, batch)
DO UPDATE SET quantity = stock_batches.quantity + excluded.quantity
"""
SET = """
UPDATE stock_batches SET quantity = n.quantity
FROM unnest($3::date[], $4::text[], $5::bigint[]) AS n (expires_on, batch, quantity)
WHERE (stock_batches.product_id, stock_batches.warehouse_id) = ($1, $2)
  AND (stock_batches.expires_on, stock_batches.batch) = (n.expires_on, n.batch)
"""
OF_LEVEL = """
SELECT product_id, warehouse_id, expires_on, batch, quantity FROM stock_batches
WHERE (product_id, warehouse_id) = ($1, $2) AND quantity > 0
"""
HAS_DUE = "SELECT EXISTS (SELECT FROM stock WHERE next_expiry <= $1)"
LOCK_DUE = """
SELECT product_id, warehouse_id FROM stock WHERE next_expiry <= $1
ORDER BY product_id, warehouse_id LIMIT $2 FOR UPDATE
"""
DROP_EMPTY = """
DELETE FROM stock_batches USING unnest($1::uuid[], $2::uuid[]) AS place (product_id, warehouse_id)
WHERE (stock_batches.product_id, stock_batches.warehouse_id) = (place.product_id, place.warehouse_id) AND quantity = 0
"""
REFRESH = """
UPDATE stock SET dated = found.dated, expired = found.expired, next_expiry = found.next_expiry,
                 version = version + 1, to_publish = true
FROM (
    SELECT place.product_id, place.warehouse_id, coalesce(sum(quantity), 0)::bigint AS dated,
           coalesce(sum(quantity) FILTER (WHERE expires_on <= $3), 0)::bigint AS expired,
           min(expires_on) FILTER (WHERE expires_on > $3 AND quantity > 0) AS next_expiry
    FROM unnest($1::uuid[], $2::uuid[]) AS place (product_id, warehouse_id)
    LEFT JOIN stock_batches USING (product_id, warehouse_id)
    GROUP BY place.product_id, place.warehouse_id
) AS found
WHERE (stock.product_id, stock.warehouse_id) = (found.product_id, found.warehouse_id)
"""
LACKING = """
SELECT line.product_id, line.quantity, stock.on_hand - stock.dated + coalesce((
    SELECT sum(quantity) FROM stock_batches AS batch
    WHERE (batch.product_id, batch.warehouse_id) = (line.product_id, $1) AND batch.expires_on > $4
), 0)::bigint AS fresh
FROM unnest($2::uuid[], $3::bigint[]) AS line (product_id, quantity)
JOIN stock ON (stock.product_id, stock.warehouse_id) = (line.product_id, $1)
"""

Place = tuple[UUID, UUID]
"""A product and a warehouse."""


class Dated(NamedTuple):
    """What tells one batch in a warehouse from the others."""

    product_id: UUID
    expires_on: date
    batch: str


async def add(tx: Transaction, warehouse_id: UUID, pieces: Mapping[Dated, int], today: date) -> None:
    """Pieces with a date came in; the stock rows have them, and are held."""
    if not pieces:
        return
    columns = zip(*pieces, strict=True)
    await tx.execute(ADD, warehouse_id, *columns, list(pieces.values()))
    await refresh(tx, sorted({(each.product_id, warehouse_id) for each in pieces}), today)


async def of_level(tx: Transaction, product_id: UUID, warehouse_id: UUID) -> list[StockBatch]:
    return [StockBatch(**row) for row in await tx.fetch(OF_LEVEL, product_id, warehouse_id)]


async def save(tx: Transaction, place: Place, batches: Sequence[StockBatch], today: date) -> None:
    """All that there are of a place, with what is left of each."""
    await tx.execute(
        SET, *place, [each.expires_on for each in batches], [each.batch for each in batches],
        [each.quantity for each in batches],
    )  # fmt: skip
    await refresh(tx, [place], today)


async def has_due(hot: Connection, today: date) -> bool:
    return bool(await hot.fetchval(HAS_DUE, today))


async def lock_due(tx: Transaction, today: date, limit: int) -> list[Place]:
    """Stock rows of which a batch may have expired since they were refreshed."""
    return [(row[0], row[1]) for row in await tx.fetch(LOCK_DUE, today, limit)]


async def drop_empty(tx: Transaction, places: Sequence[Place]) -> None:
    await tx.execute(DROP_EMPTY, *_columns(places))


async def refresh(tx: Transaction, places: Sequence[Place], today: date) -> None:
    """Brings the rows, which are held, up to what their batches are on this day. A statement of its own after the one
    that locked them, so that it sees what another changed meanwhile."""
    await tx.execute(REFRESH, *_columns(places), today)


async def lacking(
    connection: Connection, warehouse_id: UUID, quantities: Mapping[UUID, int], today: date
) -> list[dict[str, object]]:
    """The products of which fewer pieces lie there that have not expired than a parcel needs."""
    rows = await connection.fetch(LACKING, warehouse_id, list(quantities), list(quantities.values()), today)
    return [
        {"product_id": str(product_id), "quantity": quantity, "fresh": fresh}
        for product_id, quantity, fresh in rows
        if fresh < quantity
    ]


async def search(
    tx: Session, position: Position, *, product_id: UUID | None, warehouse_id: UUID | None, expires_until: date | None
) -> Slice[StockBatch]:
    statement = select(StockBatch).where(StockBatch.quantity > 0)
    if product_id is not None:
        statement = statement.where(StockBatch.product_id == product_id)
    if warehouse_id is not None:
        statement = statement.where(StockBatch.warehouse_id == warehouse_id)
    if expires_until is not None:
        statement = statement.where(col(StockBatch.expires_on) <= expires_until)
    columns = (StockBatch.product_id, StockBatch.warehouse_id, StockBatch.expires_on, StockBatch.batch)
    return await keyset(tx, statement, position, *columns)


def _columns(places: Sequence[Place]) -> tuple[list[UUID], list[UUID]]:
    return [place[0] for place in places], [place[1] for place in places]
