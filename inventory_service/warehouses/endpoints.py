"""The HTTP endpoints of warehouses."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from inventory_service import records
from inventory_service.warehouses.models import Warehouse, WarehouseCodeTaken, WarehouseInUse
from inventory_service.warehouses.schemas import WarehouseChange, WarehouseIn, WarehouseOut
from service_kit.http.etag import IfMatch, tagged
from service_kit.http.pagination import Page, Paged
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session
from service_kit.problems import NotFound, PreconditionFailed
from service_kit.security import Principal, Requires

router = Router(prefix="/warehouses", tags=["warehouses"])

Reader = Annotated[Principal, Requires("warehouses:read")]
Manager = Annotated[Principal, Requires("warehouses:manage")]


@router.post("", status_code=201, summary="Create a warehouse", responses=problems(WarehouseCodeTaken))
async def open_warehouse(body: WarehouseIn, tx: Session, _: Manager, response: Response) -> WarehouseOut:
    """The warehouse can receive stock immediately."""
    warehouse = await records.add(tx, Warehouse(**body.model_dump()))
    response.headers["Location"] = f"/warehouses/{warehouse.id}"
    return tagged(response, WarehouseOut.of(warehouse), warehouse.version)


@router.get("", summary="List warehouses")
async def list_warehouses(
    page: Paged,
    tx: Session,
    _: Reader,
    code: Annotated[str | None, Query(max_length=40, description="only the one with exactly this code")] = None,
) -> Page[WarehouseOut]:
    """Sorted by code."""
    return page.of(await records.page(tx, page.position, Warehouse, Warehouse.code, code=code), WarehouseOut.of)


@router.get("/{warehouse_id}", summary="Get a warehouse", responses=problems(NotFound))
async def read_warehouse(warehouse_id: UUID, tx: Session, _: Reader, response: Response) -> WarehouseOut:
    """Send the response's `ETag` as `If-Match` when you change or delete the warehouse."""
    warehouse = await records.read(tx, Warehouse, warehouse_id)
    return tagged(response, WarehouseOut.of(warehouse), warehouse.version)


@router.patch(
    "/{warehouse_id}",
    summary="Change a warehouse",
    responses=problems(NotFound, PreconditionFailed, WarehouseCodeTaken),
)
async def change_warehouse(
    warehouse_id: UUID, body: WarehouseChange, expected: IfMatch, tx: Session, _: Manager, response: Response
) -> WarehouseOut:
    """Changes only the fields that are sent."""
    warehouse = await records.change(tx, Warehouse, warehouse_id, expected, body.model_dump(exclude_none=True))
    return tagged(response, WarehouseOut.of(warehouse), warehouse.version)


@router.delete(
    "/{warehouse_id}",
    status_code=204,
    summary="Delete a warehouse",
    responses=problems(NotFound, PreconditionFailed, WarehouseInUse),
)
async def delete_warehouse(warehouse_id: UUID, expected: IfMatch, tx: Session, _: Manager) -> None:
    """Only a warehouse without any stock movements can be deleted."""
    await records.remove(tx, Warehouse, warehouse_id, expected)
