"""Every statement about warehouses."""

from uuid import UUID

from sqlmodel import select

from inventory_service.warehouses.models import Warehouse
from service_kit.database import Session
from service_kit.database.keyset import Position, Slice, keyset


async def by_id(tx: Session, warehouse_id: UUID) -> Warehouse | None:
    return await tx.get(Warehouse, warehouse_id)


async def lock(tx: Session, warehouse_id: UUID) -> Warehouse | None:
    return (await tx.exec(select(Warehouse).where(Warehouse.id == warehouse_id).with_for_update())).first()


async def search(tx: Session, position: Position, *, code: str | None) -> Slice[Warehouse]:
    statement = select(Warehouse)
    if code is not None:
        statement = statement.where(Warehouse.code == code)
    return await keyset(tx, statement, position, Warehouse.code)
