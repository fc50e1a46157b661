"""Receives and adjusts stock, updates levels when batches expire, and publishes the levels."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from contracts.events.stock_levels import StockChanged, WarehouseStock
from inventory_service.catalogue.use_cases import check_known
from inventory_service.stock import batch_queries, queries
from inventory_service.stock.batch_queries import Place
from inventory_service.stock.models import (
    BatchTooSmall,
    StockBatch,
    StockMovement,
    StockReceipt,
    StockReceiptLine,
    take_first_expired,
)
from service_kit.clock import utcnow
from service_kit.database import Transaction
from service_kit.messaging import outbox
from service_kit.runtime import Runtime

# A product's level is published at most once in this interval: three services process it, and none decides by it.
PAUSE_PER_PRODUCT = timedelta(seconds=1)
AT_ONCE = 500


async def receive(tx: Transaction, receipt: StockReceipt, lines: Sequence[StockReceiptLine]) -> None:
    """Books goods that arrived. Expired ones are booked too, but are not available.

    Raises: NotFound, ProductUnknown, ProductDeleted.
    """
    await queries.check_exists(tx, "warehouse", receipt.warehouse_id)
    if receipt.supplier_id is not None:
        await queries.check_exists(tx, "supplier", receipt.supplier_id)
    await check_known(tx, (line.product_id for line in lines))
    await queries.add_receipt(tx, receipt, lines)


async def adjust(tx: Transaction, movement: StockMovement) -> None:
    """Corrects the stock on hand, but never to less than is reserved. A loss without a date is taken from the batches
    that expire first.

    Raises: NotFound, ProductUnknown, ProductDeleted, BelowReserved, BatchTooSmall.
    """
    place, today = Place(movement.product_id, movement.warehouse_id), utcnow().date()
    await queries.check_exists(tx, "warehouse", place.warehouse_id)
    await check_known(tx, [place.product_id])
    level = await queries.lock_level(tx, place)
    batches = await batch_queries.OF_LEVEL.fetch_as(tx, StockBatch, place=place) if level.dated else []
    level.expired = sum(batch.quantity for batch in batches if batch.expires_on <= today)
    of_expired = movement.expires_on is not None and movement.expires_on <= today
    level.adjust(movement.quantity, of_expired=of_expired)
    if movement.quantity < 0:
        _take(batches, movement, level.on_hand, today)
        if batches:  # before the level, because a constraint requires that it has at least the pieces of its batches
            await batch_queries.save(tx, place, batches, today)
    await queries.adjust(tx, movement)
    if movement.quantity > 0:
        await batch_queries.add(tx, place.warehouse_id, [movement], today)


def _take(batches: Sequence[StockBatch], movement: StockMovement, left: int, today: date) -> None:
    """Takes lost pieces from the batch that the movement names, else from unexpired ones. Raises: BatchTooSmall."""
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
    """Updates levels whose batches expire today, or expired while no process ran, so that they are published."""
    today = utcnow().date()
    async with runtime.database.connection() as connection:
        if not await batch_queries.HAS_DUE.fetchval(connection, today=today):
            return
    found = AT_ONCE
    while found == AT_ONCE:
        async with runtime.database.transaction() as tx:
            places = await batch_queries.LOCK_DUE.fetch_as(tx, Place, today=today, limit=AT_ONCE)
            await batch_queries.DROP_EMPTY.execute(tx, places=places)
            await batch_queries.REFRESH.execute(tx, places=places, today=today)
        found = len(places)


async def publish_levels(runtime: Runtime) -> None:
    """Publishes the latest level of each product that changed: at most once per PAUSE_PER_PRODUCT.

    Changes within the pause wait for a later run, so that many levels are published together.
    """
    async with runtime.database.connection() as connection:
        if not await queries.HAS_UNPUBLISHED.fetchval(connection):
            return
    published = AT_ONCE
    while published == AT_ONCE:
        async with runtime.database.transaction() as tx:
            rows = await queries.take_unpublished(tx, AT_ONCE, PAUSE_PER_PRODUCT)
            levels = [_level(list(of_product)) for _, of_product in groupby(rows, lambda row: row["product_id"])]
            await outbox.add(tx, *levels)
        published = len(levels)


def _level(rows: Sequence[Any]) -> StockChanged:
    """The level of a product, from its rows in all warehouses."""
    total = {
        name: sum(row[name] for row in rows) for name in ("on_hand", "reserved", "available", "expired", "version")
    }
    warehouses = [WarehouseStock(**row) for row in rows]
    return StockChanged(product_id=rows[0]["product_id"], warehouses=warehouses, **total)
