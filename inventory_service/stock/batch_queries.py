"""Every statement about batches of stock except the dispatch. A batch changes only while its `stock` row is locked."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple
from uuid import UUID

from sqlmodel import col

from inventory_service.stock.models import StockBatch, StockMovement, StockReceiptLine
from service_kit.database import Connection, Session, Statement, Transaction, rows
from service_kit.database.keyset import Position, Slice, keyset, matching


class Place(NamedTuple):
    """The key of a row of `stock`."""

    product_id: UUID
    warehouse_id: UUID


class Pieces(NamedTuple):
    """A number of pieces of a product, and the day on which they expire, if any."""

    product_id: UUID
    quantity: int
    expires_on: date | None = None
    batch: str | None = None


Line = Pieces | StockReceiptLine | StockMovement
"""A row set of booked pieces: objects with the fields of `Pieces`."""

PLACES = rows("places", Place)
ADD = Statement(f"""
INSERT INTO stock_batches (product_id, warehouse_id, expires_on, batch, quantity)
SELECT product_id, :warehouse_id, expires_on, coalesce(batch, ''), sum(quantity) FROM {rows("lines", Pieces)}
WHERE expires_on IS NOT NULL GROUP BY product_id, expires_on, coalesce(batch, '')
ON CONFLICT (product_id, warehouse_id, expires_on, batch)
DO UPDATE SET quantity = stock_batches.quantity + excluded.quantity
""")
SET = Statement(f"""
UPDATE stock_batches SET quantity = n.quantity FROM {rows("n", StockBatch)}
WHERE (stock_batches.product_id, stock_batches.warehouse_id) = (n.product_id, n.warehouse_id)
  AND (stock_batches.expires_on, stock_batches.batch) = (n.expires_on, n.batch)
""")
OF_LEVEL = Statement("""
SELECT product_id, warehouse_id, expires_on, batch, quantity FROM stock_batches
WHERE (product_id, warehouse_id) = (:place.product_id, :place.warehouse_id) AND quantity > 0
""")
HAS_DUE = Statement("SELECT EXISTS (SELECT FROM stock WHERE next_expiry <= :today)")
# Stock rows with a batch that may have expired since they were refreshed.
LOCK_DUE = Statement("""
SELECT product_id, warehouse_id FROM stock WHERE next_expiry <= :today
ORDER BY product_id, warehouse_id LIMIT :limit FOR UPDATE
""")
DROP_EMPTY = Statement(f"""
DELETE FROM stock_batches USING {PLACES}
WHERE (stock_batches.product_id, stock_batches.warehouse_id) = (places.product_id, places.warehouse_id) AND quantity = 0
""")
# Updates the locked rows of `stock` to the state of their batches on this day. It is separate from the statement that
# locks them, so that it sees the changes of transactions that held the locks before.
REFRESH = Statement(f"""
UPDATE stock SET dated = found.dated, expired = found.expired, next_expiry = found.next_expiry,
                 version = version + 1, to_publish = true
FROM (
    SELECT places.product_id, places.warehouse_id, coalesce(sum(quantity), 0)::bigint AS dated,
           coalesce(sum(quantity) FILTER (WHERE expires_on <= :today), 0)::bigint AS expired,
           min(expires_on) FILTER (WHERE expires_on > :today AND quantity > 0) AS next_expiry
    FROM {PLACES}
    LEFT JOIN stock_batches USING (product_id, warehouse_id)
    GROUP BY places.product_id, places.warehouse_id
) AS found
WHERE (stock.product_id, stock.warehouse_id) = (found.product_id, found.warehouse_id)
""")
FRESH = Statement(f"""
SELECT line.product_id, line.quantity, stock.on_hand - stock.dated + coalesce((
    SELECT sum(quantity) FROM stock_batches AS batch
    WHERE (batch.product_id, batch.warehouse_id) = (line.product_id, :warehouse_id) AND batch.expires_on > :today
), 0)::bigint AS fresh
FROM {rows("line", Pieces, "product_id", "quantity")}
JOIN stock ON (stock.product_id, stock.warehouse_id) = (line.product_id, :warehouse_id)
""")


async def add(tx: Transaction, warehouse_id: UUID, lines: Sequence[Line], today: date) -> None:
    """Adds the pieces that expire to their batches. The locked rows of `stock` already include them."""
    if places := sorted({Place(line.product_id, warehouse_id) for line in lines if line.expires_on}):
        await ADD.execute(tx, warehouse_id=warehouse_id, lines=lines)
        await REFRESH.execute(tx, places=places, today=today)


async def save(tx: Transaction, place: Place, batches: Sequence[StockBatch], today: date) -> None:
    """Stores the remaining quantity of each batch. `batches` are all batches of the product in the warehouse."""
    await SET.execute(tx, n=batches)
    await REFRESH.execute(tx, places=[place], today=today)


async def lacking(
    connection: Connection, warehouse_id: UUID, quantities: Mapping[UUID, int], today: date
) -> list[dict[str, object]]:
    """The products of which the warehouse has fewer pieces that have not expired than a parcel needs."""
    line = [Pieces(*each) for each in quantities.items()]
    found = await FRESH.fetch(connection, line=line, warehouse_id=warehouse_id, today=today)
    return [{**row, "product_id": str(row["product_id"])} for row in found if row["fresh"] < row["quantity"]]


async def search(tx: Session, position: Position, *, expires_until: date | None, **values: object) -> Slice[StockBatch]:
    statement = matching(StockBatch, **values).where(StockBatch.quantity > 0)
    if expires_until is not None:
        statement = statement.where(col(StockBatch.expires_on) <= expires_until)
    columns = (StockBatch.product_id, StockBatch.warehouse_id, StockBatch.expires_on, StockBatch.batch)
    return await keyset(tx, statement, position, *columns)
