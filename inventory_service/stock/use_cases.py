"""What the business does with stock: goods come in and expire, counts are corrected, and others are told the levels."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from contracts.events.stock_levels import StockChanged, WarehouseStock
from inventory_service.catalogue import queries as catalogue
from inventory_service.catalogue.use_cases import check_known
from inventory_service.stock import batch_queries, queries
from inventory_service.stock.batch_queries import Dated
from inventory_service.stock.models import (
    BatchTooSmall,
    StockBatch,
    StockMovement,
    StockReceipt,
    StockReceiptLine,
    take_first_expired,
)
from service_kit.clock import utcnow
from service_kit.database import Session, Transaction
from service_kit.messaging import outbox
from service_kit.problems import not_found
from service_kit.runtime import Runtime

# A product is published at most once in this interval: a level is work for three services, and decides nothing.
PAUSE_PER_PRODUCT = timedelta(seconds=1)
AT_ONCE = 500


async def receive(tx: Transaction, receipt: StockReceipt, lines: Sequence[StockReceiptLine]) -> None:
    """Goods come in; those that have expired are booked, and not available.

    Raises: NotFound, ProductUnknown, ProductDeleted.
    """
    quantities: dict[UUID, int] = {}
    dated: dict[Dated, int] = {}
    for line in lines:
        quantities[line.product_id] = quantities.get(line.product_id, 0) + line.quantity
        if line.expires_on is not None:
            batch = Dated(line.product_id, line.expires_on, line.batch or "")
            dated[batch] = dated.get(batch, 0) + line.quantity
    if not await queries.is_warehouse(tx, receipt.warehouse_id):
        not_found("warehouse", receipt.warehouse_id)
    if receipt.supplier_id is not None and not await queries.is_supplier(tx, receipt.supplier_id):
        not_found("supplier", receipt.supplier_id)
    check_known(quantities, await catalogue.statuses(tx, list(quantities)))
    await queries.receive(tx, receipt.warehouse_id, quantities)
    await batch_queries.add(tx, receipt.warehouse_id, dated, utcnow().date())
    await queries.add_receipt(tx, receipt, lines)


async def adjust(tx: Transaction, movement: StockMovement) -> StockMovement:
    """A count is corrected, never below what is promised. What is lost without a date is taken as a dispatch would.

    Raises: NotFound, ProductUnknown, ProductDeleted, BelowReserved, BatchTooSmall.
    """
    product_id, warehouse_id, today = movement.product_id, movement.warehouse_id, utcnow().date()
    if not await queries.is_warehouse(tx, warehouse_id):
        not_found("warehouse", warehouse_id)
    check_known([product_id], await catalogue.statuses(tx, [product_id]))
    level = await queries.lock_level(tx, product_id, warehouse_id)
    batches = await batch_queries.of_level(tx, product_id, warehouse_id) if level.dated else []
    level.expired = sum(batch.quantity for batch in batches if batch.expires_on <= today)
    of_expired = movement.expires_on is not None and movement.expires_on <= today
    level.adjust(movement.quantity, of_expired=of_expired)
    if movement.expires_on is not None and movement.quantity > 0:
        await queries.adjust(tx, movement)
        batch = Dated(product_id, movement.expires_on, movement.batch or "")
        await batch_queries.add(tx, warehouse_id, {batch: movement.quantity}, today)
        return movement
    if movement.quantity < 0:
        _take(batches, movement, level.on_hand, today)
        if batches:  # before the level, which never holds fewer pieces than its batches
            await batch_queries.save(tx, (product_id, warehouse_id), batches, today)
    await queries.adjust(tx, movement)
    return movement


def _take(batches: Sequence[StockBatch], movement: StockMovement, left: int, today: date) -> None:
    """Takes what is lost from the batch that is named, or else from what has not expired. Raises: BatchTooSmall."""
    if movement.expires_on is None:
        take_first_expired(batches, -movement.quantity, today)
        if (missing := sum(batch.quantity for batch in batches) - left) > 0:
            raise BatchTooSmall(pieces=-movement.quantity - missing, quantity=movement.quantity)
        return
    named = (movement.expires_on, movement.batch or "")
    batch = next((each for each in batches if (each.expires_on, each.batch) == named), None)
    if batch is None or batch.quantity + movement.quantity < 0:
        raise BatchTooSmall(pieces=batch.quantity if batch else 0, quantity=movement.quantity)
    batch.quantity += movement.quantity


async def expire_batches(runtime: Runtime) -> None:
    """Books what has expired since the day turned, so that the others are told that it is not available."""
    today = utcnow().date()
    async with runtime.database.connection() as hot:
        if not await batch_queries.has_due(hot, today):
            return
    found = AT_ONCE
    while found == AT_ONCE:
        async with runtime.database.transaction() as tx:
            places = await batch_queries.lock_due(tx, today, AT_ONCE)
            await batch_queries.drop_empty(tx, places)
            await batch_queries.refresh(tx, places, today)
        found = len(places)


async def read_movement(tx: Session, movement_id: UUID) -> StockMovement:
    return await queries.movement(tx, movement_id) or not_found(StockMovement, movement_id)


async def read_receipt(tx: Session, receipt_id: UUID) -> tuple[StockReceipt, Sequence[StockReceiptLine]]:
    receipt = await queries.receipt(tx, receipt_id) or not_found(StockReceipt, receipt_id)
    return receipt, await queries.receipt_lines(tx, receipt_id)


async def publish_levels(runtime: Runtime) -> None:
    """Tells the latest level of each product that changed: however often it did, once per PAUSE_PER_PRODUCT.

    What changes meanwhile is for the next run, so that levels leave together and not one by one.
    """
    async with runtime.database.connection() as hot:
        if not await queries.has_unpublished(hot):
            return
    published = AT_ONCE
    while published == AT_ONCE:
        async with runtime.database.transaction() as tx:
            levels = levels_of(await queries.take_unpublished(tx, AT_ONCE, PAUSE_PER_PRODUCT))
            await outbox.add(tx, *levels)
        published = len(levels)


def levels_of(rows: Sequence[Any]) -> list[StockChanged]:
    """One event per product, of rows that are sorted by product."""
    return [_level(product_id, list(of_product)) for product_id, of_product in groupby(rows, lambda row: row[0])]


def _level(product_id: UUID, rows: Sequence[Any]) -> StockChanged:
    by_warehouse = [
        WarehouseStock(
            warehouse_id=warehouse_id,
            on_hand=on_hand,
            reserved=reserved,
            available=max(0, on_hand - expired - reserved),
            expired=expired,
        )
        for _, warehouse_id, on_hand, reserved, _, expired in rows
    ]
    return StockChanged(
        product_id=product_id,
        on_hand=sum(each.on_hand for each in by_warehouse),
        reserved=sum(each.reserved for each in by_warehouse),
        available=sum(each.available for each in by_warehouse),
        expired=sum(each.expired for each in by_warehouse),
        warehouses=by_warehouse,
        version=sum(row[4] for row in rows),
    )
