"""The HTTP endpoints of suppliers."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from inventory_service import records
from inventory_service.suppliers.models import Supplier, SupplierInUse
from inventory_service.suppliers.schemas import SupplierChange, SupplierIn, SupplierOut
from service_kit.http.etag import IfMatch, tagged
from service_kit.http.pagination import Page, Paged
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.problems import NotFound, PreconditionFailed
from service_kit.security import Principal, Requires

router = Router(prefix="/suppliers", tags=["suppliers"])

Reader = Annotated[Principal, Requires("suppliers:read")]
Manager = Annotated[Principal, Requires("suppliers:manage")]


@router.post("", status_code=201, summary="Create a supplier")
async def add_supplier(body: SupplierIn, tx: Session, _: Manager, response: Response) -> SupplierOut:
    """Names need not be unique: search for the supplier first, so that it is not created twice."""
    supplier = await records.add(tx, Supplier(**body.model_dump()))
    response.headers["Location"] = f"/suppliers/{supplier.id}"
    return tagged(response, SupplierOut.of(supplier), supplier.version)


@router.get("", summary="List suppliers")
async def list_suppliers(
    page: Paged,
    tx: Session,
    _: Reader,
    name: Annotated[str | None, Query(max_length=200, description="only those with exactly this name")] = None,
) -> Page[SupplierOut]:
    """Sorted by name."""
    return page.of(
        await records.page(tx, page.position, Supplier, Supplier.name, Supplier.id, name=name), SupplierOut.of
    )


@router.get("/{supplier_id}", summary="Get a supplier", responses=problems(NotFound))
async def read_supplier(supplier_id: UUID, tx: Session, _: Reader, response: Response) -> SupplierOut:
    """Send the response's `ETag` as `If-Match` when you change or delete the supplier."""
    supplier = await records.read(tx, Supplier, supplier_id)
    return tagged(response, SupplierOut.of(supplier), supplier.version)


@router.patch("/{supplier_id}", summary="Change a supplier", responses=problems(NotFound, PreconditionFailed))
async def change_supplier(
    supplier_id: UUID, body: SupplierChange, expected: IfMatch, tx: Session, _: Manager, response: Response
) -> SupplierOut:
    """Changes only the fields that are sent; `null` removes an e-mail address or a phone number."""
    supplier = await records.change(tx, Supplier, supplier_id, expected, body.model_dump(exclude_unset=True))
    return tagged(response, SupplierOut.of(supplier), supplier.version)


@router.delete(
    "/{supplier_id}",
    status_code=204,
    summary="Delete a supplier",
    responses=problems(NotFound, PreconditionFailed, SupplierInUse),
)
async def delete_supplier(supplier_id: UUID, expected: IfMatch, tx: Session, _: Manager) -> None:
    """Only a supplier without receipts can be deleted."""
    await records.remove(tx, Supplier, supplier_id, expected)
