"""Every statement about suppliers."""

from uuid import UUID

from sqlmodel import select

from inventory_service.suppliers.models import Supplier
from service_kit.database import Session
from service_kit.database.keyset import Position, Slice, keyset


async def by_id(tx: Session, supplier_id: UUID) -> Supplier | None:
    return await tx.get(Supplier, supplier_id)


async def lock(tx: Session, supplier_id: UUID) -> Supplier | None:
    return (await tx.exec(select(Supplier).where(Supplier.id == supplier_id).with_for_update())).first()


async def search(tx: Session, position: Position, *, name: str | None) -> Slice[Supplier]:
    statement = select(Supplier)
    if name is not None:
        statement = statement.where(Supplier.name == name)
    return await keyset(tx, statement, position, Supplier.name, Supplier.id)
