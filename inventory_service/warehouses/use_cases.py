"""What can be done with warehouses."""

from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from inventory_service.warehouses import queries
from inventory_service.warehouses.models import Warehouse, WarehouseCodeTaken, WarehouseInUse
from service_kit.concurrency import Expected
from service_kit.database import Session
from service_kit.problems import not_found


async def open_warehouse(tx: Session, fields: dict[str, Any]) -> Warehouse:
    """Raises: WarehouseCodeTaken."""
    warehouse = Warehouse(**fields)
    tx.add(warehouse)
    await _flush(tx, warehouse)
    return warehouse


async def read(tx: Session, warehouse_id: UUID) -> Warehouse:
    return await queries.by_id(tx, warehouse_id) or not_found(Warehouse, warehouse_id)


async def change(tx: Session, warehouse_id: UUID, expected: Expected, fields: dict[str, Any]) -> Warehouse:
    """Raises: NotFound, PreconditionFailed, WarehouseCodeTaken."""
    warehouse = await queries.lock(tx, warehouse_id) or not_found(Warehouse, warehouse_id)
    expected.check(warehouse.version)
    warehouse.change(**fields)
    await _flush(tx, warehouse)
    return warehouse


async def close(tx: Session, warehouse_id: UUID, expected: Expected) -> None:
    """Raises: NotFound, PreconditionFailed, WarehouseInUse."""
    warehouse = await queries.lock(tx, warehouse_id) or not_found(Warehouse, warehouse_id)
    expected.check(warehouse.version)
    await tx.delete(warehouse)
    try:
        await tx.flush()
    except IntegrityError as error:  # stock and receipts refer to it
        raise WarehouseInUse from error


async def _flush(tx: Session, warehouse: Warehouse) -> None:
    code = warehouse.code
    try:
        await tx.flush()
    except IntegrityError as error:
        raise WarehouseCodeTaken(code=code) from error
