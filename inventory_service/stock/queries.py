"""Every statement about stock, but what reserving and dispatching do to it in one with all the rest, and what concerns
batches (`batch_queries`).

Who changes stock rows locks them in the order of (product_id, warehouse_id).
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select

from inventory_service.stock import batch_queries
from inventory_service.stock.models import (
    STOCK_CHANGED,
    MovementKind,
    StockLevel,
    StockMovement,
    StockReceipt,
    StockReceiptLine,
)
from service_kit.clock import utcnow
from service_kit.database import Connection, Session, Transaction
from service_kit.database.keyset import Position, Slice, keyset
from service_kit.database.signals import signal
from service_kit.ids import uuid7

LOCK_PRODUCTS = """
SELECT product_id, warehouse_id, on_hand - expired - reserved AS available, next_expiry <= $2 AS due FROM stock
WHERE product_id = ANY($1::uuid[]) ORDER BY product_id, warehouse_id FOR UPDATE
"""
RECEIVE = """
INSERT INTO stock (product_id, warehouse_id, on_hand, reserved, version, to_publish)
SELECT product_id, $1, quantity, 0, 1, true FROM unnest($2::uuid[], $3::bigint[]) AS line (product_id, quantity)
ORDER BY product_id
ON CONFLICT (product_id, warehouse_id) DO UPDATE
SET on_hand = stock.on_hand + excluded.on_hand, version = stock.version + 1, to_publish = true
"""
ADD_RECEIPT_MOVEMENTS = """
INSERT INTO stock_movements (id, product_id, warehouse_id, kind, quantity, receipt_id, booked_by, created_at)
SELECT id, product_id, $4, $5, quantity, $6, $7, $8
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS line (id, product_id, quantity)
"""
ADD_RETURN_MOVEMENTS = """
INSERT INTO stock_movements (id, product_id, warehouse_id, kind, quantity, return_id, order_id, booked_by, created_at)
SELECT id, product_id, $4, $5, quantity, $6, $7, $8, $9
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS line (id, product_id, quantity)
"""
ADD_RECEIPT = """
INSERT INTO stock_receipts (id, warehouse_id, supplier_id, booked_by, created_at) VALUES ($1, $2, $3, $4, $5)
"""
ADD_RECEIPT_LINES = """
INSERT INTO stock_receipt_lines (receipt_id, position, product_id, quantity, unit_cost, currency, batch, expires_on)
SELECT $1, * FROM unnest($2::int[], $3::uuid[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::date[])
"""
ADD_EMPTY_LEVEL = """
INSERT INTO stock (product_id, warehouse_id, on_hand, reserved, version, to_publish) VALUES ($1, $2, 0, 0, 0, true)
ON CONFLICT DO NOTHING
"""
LOCK_LEVEL = "SELECT * FROM stock WHERE (product_id, warehouse_id) = ($1, $2) FOR UPDATE"
ADJUST = """
UPDATE stock SET on_hand = on_hand + $3, version = version + 1, to_publish = true
WHERE (product_id, warehouse_id) = ($1, $2)
"""
ADD_MOVEMENT = f"""
INSERT INTO stock_movements ({", ".join(StockMovement.model_fields)})
VALUES ({", ".join(f"${n}" for n in range(1, len(StockMovement.model_fields) + 1))})
"""
# One publisher at a time: two would publish a product twice within its pause.
ALONE = "SELECT pg_try_advisory_xact_lock(hashtext('publish-stock-levels'))"
HAS_UNPUBLISHED = "SELECT EXISTS (SELECT FROM stock WHERE to_publish)"
UNPUBLISHED = """
SELECT DISTINCT product_id FROM stock
WHERE to_publish AND (published_at IS NULL OR published_at <= now() - $2::interval) ORDER BY product_id LIMIT $1
"""
LOCK_LEVELS = """
SELECT product_id, warehouse_id, on_hand, reserved, version, expired FROM stock
WHERE product_id = ANY($1::uuid[]) ORDER BY product_id, warehouse_id FOR UPDATE
"""
# Of every warehouse, so that the next change of any finds how long ago the product was published.
PUBLISHED = "UPDATE stock SET to_publish = false, published_at = now() WHERE product_id = ANY($1::uuid[])"


async def lock_products(tx: Transaction, product_ids: Collection[UUID]) -> dict[UUID, dict[UUID, int]]:
    """What is available of each product by warehouse, held until the transaction ends. Call it once, for all.

    Less than nothing where pieces that are promised have expired. Expired to the day, whether or not the job that tells
    the others has run: where a batch is due, which is once in its life, the rows are refreshed and read again.
    """
    free: dict[UUID, dict[UUID, int]] = {}
    if product_ids:
        today = utcnow().date()
        rows = await tx.fetch(LOCK_PRODUCTS, list(product_ids), today)
        if due := [(row[0], row[1]) for row in rows if row[3]]:
            await batch_queries.refresh(tx, due, today)
            rows = await tx.fetch(LOCK_PRODUCTS, list(product_ids), today)
        for product_id, warehouse_id, available, _ in rows:
            free.setdefault(product_id, {})[warehouse_id] = available
    return free


async def receive(tx: Transaction, warehouse_id: UUID, quantities: Mapping[UUID, int]) -> None:
    products = sorted(quantities)
    await tx.execute(RECEIVE, warehouse_id, products, [quantities[product_id] for product_id in products])
    signal(tx, STOCK_CHANGED)


async def add_receipt(tx: Transaction, receipt: StockReceipt, lines: Sequence[StockReceiptLine]) -> None:
    """The receipt, its lines, and a movement for each line."""
    await tx.execute(
        ADD_RECEIPT, receipt.id, receipt.warehouse_id, receipt.supplier_id, receipt.booked_by, receipt.created_at
    )
    products, quantities = [line.product_id for line in lines], [line.quantity for line in lines]
    await tx.execute(
        ADD_RECEIPT_LINES, receipt.id, [line.position for line in lines], products, quantities,
        [line.unit_cost for line in lines], [line.currency for line in lines],
        [line.batch for line in lines], [line.expires_on for line in lines],
    )  # fmt: skip
    await tx.execute(
        ADD_RECEIPT_MOVEMENTS, [uuid7() for _ in lines], products, quantities,
        receipt.warehouse_id, MovementKind.RECEIPT, receipt.id, receipt.booked_by, receipt.created_at,
    )  # fmt: skip


async def add_return_movements(
    tx: Transaction,
    return_id: UUID,
    order_id: UUID,
    warehouse_id: UUID,
    quantities: Mapping[UUID, int],
    booked_by: UUID,
) -> None:
    """A movement for each product that came back."""
    await tx.execute(
        ADD_RETURN_MOVEMENTS, [uuid7() for _ in quantities], list(quantities), list(quantities.values()),
        warehouse_id, MovementKind.RETURN, return_id, order_id, booked_by, utcnow(),
    )  # fmt: skip


async def is_warehouse(tx: Transaction, warehouse_id: UUID) -> bool:
    """Asked before booking, for a clear answer; the foreign key is what holds."""
    return bool(await tx.fetchval("SELECT EXISTS (SELECT FROM warehouses WHERE id = $1)", warehouse_id))


async def is_supplier(tx: Transaction, supplier_id: UUID) -> bool:
    return bool(await tx.fetchval("SELECT EXISTS (SELECT FROM suppliers WHERE id = $1)", supplier_id))


async def has_unpublished(hot: Connection) -> bool:
    return bool(await hot.fetchval(HAS_UNPUBLISHED))


async def take_unpublished(tx: Transaction, limit: int, pause: timedelta) -> list[Any]:
    """The stock rows of products that changed and were not published within `pause`; locked, and marked as published.

    While they are locked nobody changes them, so levels are published in the order of their versions.
    """
    if not await tx.fetchval(ALONE):
        return []
    products = [row["product_id"] for row in await tx.fetch(UNPUBLISHED, limit, pause)]
    rows: list[Any] = await tx.fetch(LOCK_LEVELS, products) if products else []
    if rows:
        await tx.execute(PUBLISHED, products)
    return rows


async def lock_level(tx: Transaction, product_id: UUID, warehouse_id: UUID) -> StockLevel:
    """The row, held until the transaction ends; an empty one where the product never was there."""
    await tx.execute(ADD_EMPTY_LEVEL, product_id, warehouse_id)
    return StockLevel(**await tx.fetchrow(LOCK_LEVEL, product_id, warehouse_id))


async def adjust(tx: Transaction, movement: StockMovement) -> None:
    """The level, which is held, and its line of the ledger."""
    await tx.execute(ADJUST, movement.product_id, movement.warehouse_id, movement.quantity)
    signal(tx, STOCK_CHANGED)
    await tx.execute(ADD_MOVEMENT, *(getattr(movement, name) for name in StockMovement.model_fields))


async def levels(
    tx: Session,
    position: Position,
    *,
    product_id: UUID | None,
    warehouse_id: UUID | None,
    below: int | None,
    expired: bool | None,
) -> Slice[StockLevel]:
    statement = select(StockLevel)
    if product_id is not None:
        statement = statement.where(StockLevel.product_id == product_id)
    if warehouse_id is not None:
        statement = statement.where(StockLevel.warehouse_id == warehouse_id)
    if below is not None:
        fresh = col(StockLevel.on_hand) - col(StockLevel.expired) - col(StockLevel.reserved)
        statement = statement.where(func.greatest(fresh, 0) < below)
    if expired is not None:
        gone = col(StockLevel.expired)
        statement = statement.where(gone > 0 if expired else gone == 0)
    return await keyset(tx, statement, position, StockLevel.product_id, StockLevel.warehouse_id)


async def movements(
    tx: Session, position: Position, *, product_id: UUID | None, warehouse_id: UUID | None, kind: MovementKind | None
) -> Slice[StockMovement]:
    statement = select(StockMovement)
    if product_id is not None:
        statement = statement.where(StockMovement.product_id == product_id)
    if warehouse_id is not None:
        statement = statement.where(StockMovement.warehouse_id == warehouse_id)
    if kind is not None:
        statement = statement.where(StockMovement.kind == kind)
    return await keyset(tx, statement, position, StockMovement.id)


async def movement(tx: Session, movement_id: UUID) -> StockMovement | None:
    return await tx.get(StockMovement, movement_id)


async def receipt(tx: Session, receipt_id: UUID) -> StockReceipt | None:
    return await tx.get(StockReceipt, receipt_id)


async def receipt_lines(tx: Session, receipt_id: UUID) -> Sequence[StockReceiptLine]:
    statement = select(StockReceiptLine).where(StockReceiptLine.receipt_id == receipt_id)
    return (await tx.exec(statement.order_by(col(StockReceiptLine.position)))).all()


async def receipts(
    tx: Session, position: Position, *, warehouse_id: UUID | None, supplier_id: UUID | None
) -> Slice[StockReceipt]:
    statement = select(StockReceipt)
    if warehouse_id is not None:
        statement = statement.where(StockReceipt.warehouse_id == warehouse_id)
    if supplier_id is not None:
        statement = statement.where(StockReceipt.supplier_id == supplier_id)
    return await keyset(tx, statement, position, StockReceipt.id)
