"""What the business does with stock: goods come in, counts are corrected, and others are told the levels."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from contracts.events.stock_levels import StockChanged, WarehouseStock
from inventory_service.catalogue import queries as catalogue
from inventory_service.catalogue.use_cases import check_known
from inventory_service.stock import queries
from inventory_service.stock.models import BelowReserved, StockMovement, StockReceipt, StockReceiptLine
from inventory_service.warehouses import use_cases as warehouses
from service_kit.database import HotTx, Tx
from service_kit.messaging import outbox
from service_kit.problems import not_found
from service_kit.runtime import Runtime

# What sells all the time is told of once in this while: a level is work for three services, and decides nothing.
PAUSE_PER_PRODUCT = timedelta(seconds=1)
AT_ONCE = 500


async def receive(tx: HotTx, receipt: StockReceipt, lines: Sequence[StockReceiptLine]) -> None:
    """Goods come in. Raises: NotFound, ProductUnknown, ProductDeleted."""
    quantities: dict[UUID, int] = {}
    for line in lines:
        quantities[line.product_id] = quantities.get(line.product_id, 0) + line.quantity
    if not await queries.is_warehouse(tx, receipt.warehouse_id):
        not_found("warehouse", receipt.warehouse_id)
    if receipt.supplier_id is not None and not await queries.is_supplier(tx, receipt.supplier_id):
        not_found("supplier", receipt.supplier_id)
    check_known(quantities, await catalogue.statuses(tx, list(quantities)))
    await queries.receive(tx, receipt.warehouse_id, quantities)
    await queries.add_receipt(tx, receipt, lines)


async def adjust(tx: Tx, movement: StockMovement) -> StockMovement:
    """A count is corrected, never below what is promised. Raises: NotFound, ProductUnknown, BelowReserved."""
    product_id, quantity = movement.product_id, movement.quantity
    await warehouses.read(tx, movement.warehouse_id)
    check_known([product_id], {product_id: await catalogue.status_of(tx, product_id)})
    level = await queries.lock_level(tx, product_id, movement.warehouse_id)
    if level is None:
        if quantity < 0:
            raise BelowReserved(on_hand=0, reserved=0, quantity=quantity)
        await queries.add_empty_level(tx, product_id, movement.warehouse_id)
        level = await queries.lock_level(tx, product_id, movement.warehouse_id)
        assert level is not None
    level.adjust(quantity)
    tx.add_all([level, movement])
    return movement


async def read_movement(tx: Tx, movement_id: UUID) -> StockMovement:
    return await queries.movement(tx, movement_id) or not_found(StockMovement, movement_id)


async def read_receipt(tx: Tx, receipt_id: UUID) -> tuple[StockReceipt, Sequence[StockReceiptLine]]:
    receipt = await queries.receipt(tx, receipt_id) or not_found(StockReceipt, receipt_id)
    return receipt, await queries.receipt_lines(tx, receipt_id)


async def publish_levels(runtime: Runtime) -> None:
    """Tells the latest level of each product that changed: however often it did, once per PAUSE_PER_PRODUCT.

    What changes meanwhile is for the next run, so that levels leave together and not one by one.
    """
    async with runtime.database.hot() as hot:
        if not await queries.has_unpublished(hot):
            return
    told = AT_ONCE
    while told == AT_ONCE:
        async with runtime.database.hot_tx() as tx:
            levels = levels_of(await queries.take_unpublished(tx, AT_ONCE, PAUSE_PER_PRODUCT))
            await outbox.add(tx, *levels)
        told = len(levels)


def levels_of(rows: Sequence[Any]) -> list[StockChanged]:
    """One event per product, of rows that are sorted by product."""
    return [_level(product_id, list(of_product)) for product_id, of_product in groupby(rows, lambda row: row[0])]


def _level(product_id: UUID, rows: Sequence[Any]) -> StockChanged:
    by_warehouse = [
        WarehouseStock(warehouse_id=warehouse_id, on_hand=on_hand, reserved=reserved, available=on_hand - reserved)
        for _, warehouse_id, on_hand, reserved, _ in rows
    ]
    return StockChanged(
        product_id=product_id,
        on_hand=sum(each.on_hand for each in by_warehouse),
        reserved=sum(each.reserved for each in by_warehouse),
        available=sum(each.available for each in by_warehouse),
        warehouses=by_warehouse,
        version=sum(row[4] for row in rows),
    )
