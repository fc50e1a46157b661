"""What can be done with suppliers."""

from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from inventory_service.suppliers import queries
from inventory_service.suppliers.models import Supplier, SupplierInUse
from service_kit.concurrency import Expected
from service_kit.database import Session
from service_kit.problems import not_found


async def add(tx: Session, fields: dict[str, Any]) -> Supplier:
    supplier = Supplier(**fields)
    tx.add(supplier)
    await tx.flush()
    return supplier


async def read(tx: Session, supplier_id: UUID) -> Supplier:
    return await queries.by_id(tx, supplier_id) or not_found(Supplier, supplier_id)


async def change(tx: Session, supplier_id: UUID, expected: Expected, fields: dict[str, Any]) -> Supplier:
    """Raises: NotFound, PreconditionFailed."""
    supplier = await queries.lock(tx, supplier_id) or not_found(Supplier, supplier_id)
    expected.check(supplier.version)
    supplier.change(**fields)
    return supplier


async def remove(tx: Session, supplier_id: UUID, expected: Expected) -> None:
    """Raises: NotFound, PreconditionFailed, SupplierInUse."""
    supplier = await queries.lock(tx, supplier_id) or not_found(Supplier, supplier_id)
    expected.check(supplier.version)
    await tx.delete(supplier)
    try:
        await tx.flush()
    except IntegrityError as error:  # receipts refer to it
        raise SupplierInUse from error
