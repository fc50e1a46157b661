"""Every statement about stock, except those about batches (`batch_queries`) and the two that reserve and dispatch,
which also change reservations and shipments.

Every transaction that changes stock rows locks them in the order of (product_id, warehouse_id).
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select

from inventory_service.stock import batch_queries
from inventory_service.stock.batch_queries import Line, Pieces, Place
from inventory_service.stock.models import (
    STOCK_CHANGED,
    MovementKind,
    StockLevel,
    StockMovement,
    StockReceipt,
    StockReceiptLine,
)
from service_kit.clock import utcnow
from service_kit.database import Session, Statement, Transaction, columns, insert, rows
from service_kit.database.keyset import Position, Slice, keyset, matching
from service_kit.database.signals import signal
from service_kit.ids import uuid7
from service_kit.problems import not_found

LOCK_PRODUCTS = Statement("""
SELECT product_id, warehouse_id, on_hand - expired - reserved AS available, next_expiry <= :today AS due FROM stock
WHERE product_id = ANY(:product_ids::uuid[]) ORDER BY product_id, warehouse_id FOR UPDATE
""")
RECEIVE = Statement(f"""
INSERT INTO stock (product_id, warehouse_id, on_hand, reserved, version, to_publish)
SELECT product_id, :warehouse_id, sum(quantity), 0, 1, true FROM {rows("lines", Pieces, "product_id", "quantity")}
GROUP BY product_id ORDER BY product_id
ON CONFLICT (product_id, warehouse_id) DO UPDATE
SET on_hand = stock.on_hand + excluded.on_hand, version = stock.version + 1, to_publish = true
""")
ADD_MOVEMENTS = Statement("""
INSERT INTO stock_movements (id, product_id, quantity, warehouse_id, kind, reason, batch, expires_on,
                             receipt_id, return_id, order_id, booked_by, created_at)
SELECT line.*, :of.warehouse_id, :of.kind, :of.reason, :of.batch, :of.expires_on,
       :of.receipt_id, :of.return_id, :of.order_id, :of.booked_by, :of.created_at
FROM unnest(:ids::uuid[], :lines[].product_id::uuid[], :lines[].quantity::bigint[]) AS line
""")
ADD_RECEIPT = Statement(insert("receipts", StockReceipt))
ADD_RECEIPT_LINES = Statement(insert("lines", StockReceiptLine))
ADD_EMPTY_LEVEL = Statement("""
INSERT INTO stock (product_id, warehouse_id, on_hand, reserved, version, to_publish)
VALUES (:place.product_id, :place.warehouse_id, 0, 0, 0, true) ON CONFLICT DO NOTHING
""")
LOCK_LEVEL = Statement(f"""
SELECT {columns(StockLevel)} FROM stock
WHERE (product_id, warehouse_id) = (:place.product_id, :place.warehouse_id) FOR UPDATE
""")
ADJUST = Statement("""
UPDATE stock SET on_hand = on_hand + :movement.quantity, version = version + 1, to_publish = true
WHERE (product_id, warehouse_id) = (:movement.product_id, :movement.warehouse_id)
""")
# Only one process publishes at a time, since two could publish a product twice within its pause.
ALONE = Statement("SELECT pg_try_advisory_xact_lock(hashtext('publish-stock-levels'))")
HAS_UNPUBLISHED = Statement("SELECT EXISTS (SELECT FROM stock WHERE to_publish)")
UNPUBLISHED = Statement("""
SELECT DISTINCT product_id FROM stock
WHERE to_publish AND (published_at IS NULL OR published_at <= now() - :pause::interval)
ORDER BY product_id LIMIT :limit
""")
LOCK_LEVELS = Statement("""
SELECT product_id, warehouse_id, on_hand, reserved, greatest(0, on_hand - expired - reserved) AS available, expired,
       version
FROM stock WHERE product_id = ANY(:product_ids::uuid[]) ORDER BY product_id, warehouse_id FOR UPDATE
""")
# All warehouses are updated, so that the next change in any of them shows when the product was last published.
PUBLISHED = Statement("""
UPDATE stock SET to_publish = false, published_at = now() WHERE product_id = ANY(:product_ids::uuid[])
""")
EXISTS = {name: Statement(f"SELECT EXISTS (SELECT FROM {name}s WHERE id = :id)") for name in ("warehouse", "supplier")}


async def lock_products(tx: Transaction, product_ids: Collection[UUID]) -> dict[UUID, dict[UUID, int]]:
    """The available pieces by product and warehouse, whose rows are locked. Call it once, so that they are in order.

    The number is negative if reserved pieces have expired. Pieces that expire today are not available, even before the
    job `expire-batches` has run: rows with a batch that is due are refreshed and read again, once for each batch.
    """
    free: dict[UUID, dict[UUID, int]] = {}
    if product_ids:
        today = utcnow().date()
        found = await LOCK_PRODUCTS.fetch(tx, product_ids=list(product_ids), today=today)
        if due := [Place(*place) for *place, _, is_due in found if is_due]:
            await batch_queries.REFRESH.execute(tx, places=due, today=today)
            found = await LOCK_PRODUCTS.fetch(tx, product_ids=list(product_ids), today=today)
        for product_id, warehouse_id, available, _ in found:
            free.setdefault(product_id, {})[warehouse_id] = available
    return free


async def receive(tx: Transaction, lines: Sequence[Line], movement: StockMovement) -> None:
    """Adds the pieces to the stock of the movement's warehouse, and adds a movement like it for each to the ledger."""
    await RECEIVE.execute(tx, lines=lines, warehouse_id=movement.warehouse_id)
    await batch_queries.add(tx, movement.warehouse_id, lines, utcnow().date())
    await ADD_MOVEMENTS.execute(tx, of=movement, lines=lines, ids=[uuid7() for _ in lines])
    signal(tx, STOCK_CHANGED)


async def add_receipt(tx: Transaction, receipt: StockReceipt, lines: Sequence[StockReceiptLine]) -> None:
    """Adds the receipt, its lines and their stock, and a movement for each line."""
    shared = receipt.model_dump(include={"warehouse_id", "booked_by", "created_at"})
    await receive(tx, lines, StockMovement(kind=MovementKind.RECEIPT, receipt_id=receipt.id, **shared))
    await ADD_RECEIPT.execute(tx, receipts=[receipt])
    await ADD_RECEIPT_LINES.execute(tx, lines=lines)


async def check_exists(tx: Transaction, name: str, id: UUID) -> None:
    """Checks for a warehouse or a supplier. A foreign key does it too, but without a clear error. Raises: NotFound."""
    if not await EXISTS[name].fetchval(tx, id=id):
        not_found(name, id)


async def take_unpublished(tx: Transaction, limit: int, pause: timedelta) -> Sequence[Any]:
    """The stock rows of products that changed and were not published within `pause`; locked, and marked as published.

    Since other transactions wait for the locks, levels are published in the order of their versions.
    """
    if not await ALONE.fetchval(tx):
        return []
    products = [product_id for (product_id,) in await UNPUBLISHED.fetch(tx, limit=limit, pause=pause)]
    if not products:
        return []
    levels = await LOCK_LEVELS.fetch(tx, product_ids=products)
    await PUBLISHED.execute(tx, product_ids=products)
    return levels


async def lock_level(tx: Transaction, place: Place) -> StockLevel:
    """The row, locked until the transaction ends. An empty row is added if there is none."""
    await ADD_EMPTY_LEVEL.execute(tx, place=place)
    [level] = await LOCK_LEVEL.fetch_as(tx, StockLevel, place=place)
    return level


async def adjust(tx: Transaction, movement: StockMovement) -> None:
    """Changes the level, which is locked, and adds the movement to the ledger."""
    await ADJUST.execute(tx, movement=movement)
    signal(tx, STOCK_CHANGED)
    await ADD_MOVEMENTS.execute(tx, of=movement, lines=[movement], ids=[movement.id])


async def levels(
    tx: Session, position: Position, *, below: int | None, expired: bool | None, **values: object
) -> Slice[StockLevel]:
    statement = matching(StockLevel, **values)
    if below is not None:
        fresh = col(StockLevel.on_hand) - col(StockLevel.expired) - col(StockLevel.reserved)
        statement = statement.where(func.greatest(fresh, 0) < below)
    if expired is not None:
        pieces = col(StockLevel.expired)
        statement = statement.where(pieces > 0 if expired else pieces == 0)
    return await keyset(tx, statement, position, StockLevel.product_id, StockLevel.warehouse_id)


async def receipt_lines(tx: Session, receipt_id: UUID) -> Sequence[StockReceiptLine]:
    statement = select(StockReceiptLine).where(StockReceiptLine.receipt_id == receipt_id)
    return (await tx.exec(statement.order_by(col(StockReceiptLine.position)))).all()
