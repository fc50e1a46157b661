"""The HTTP endpoints of stock: levels, batches, receipts, adjustments, and the ledger of movements."""

from datetime import date
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Query, Response

from inventory_service import records
from inventory_service.catalogue import queries as catalogue
from inventory_service.catalogue.models import ProductDeleted, ProductUnknown
from inventory_service.stock import batch_queries, queries, use_cases
from inventory_service.stock.models import (
    BatchTooSmall,
    BelowReserved,
    MovementKind,
    StockMovement,
    StockReceipt,
    StockReceiptLine,
)
from inventory_service.stock.schemas import (
    AdjustmentIn,
    BatchOut,
    MovementOut,
    ReceiptIn,
    ReceiptOut,
    ReceiptSummary,
    StockOut,
)
from service_kit import idempotency
from service_kit.clock import utcnow
from service_kit.http.idempotency import MaybeIdempotencyKey, replay, respond
from service_kit.http.pagination import Page, Paged, PagedByTime
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Session, Transaction
from service_kit.idempotency import IdempotencyKeyMissing, IdempotencyKeyReused
from service_kit.problems import NotFound
from service_kit.security import Principal, Requires

router = Router(prefix="/stock", tags=["stock"])

Reader = Annotated[Principal, Requires("stock:read")]
OfProduct = Annotated[UUID | None, Query(description="only of this product")]
InWarehouse = Annotated[UUID | None, Query(description="only in this warehouse")]


@router.get("", summary="List stock")
async def list_stock(
    page: Paged,
    tx: Session,
    _: Reader,
    product_id: OfProduct = None,
    warehouse_id: InWarehouse = None,
    below: Annotated[int | None, Query(ge=0, le=2**31, description="only where fewer pieces are available")] = None,
    expired: Annotated[bool | None, Query(description="whether pieces there have expired")] = None,
) -> Page[StockOut]:
    """Sorted by product and warehouse. Products that were never in stock are not included."""
    found = await queries.levels(
        tx, page.position, product_id=product_id, warehouse_id=warehouse_id, below=below, expired=expired
    )
    products = await catalogue.by_ids(tx, {level.product_id for level in found.rows})
    return page.of(found, lambda level: StockOut.named(level, products.get(level.product_id)))


@router.get("/batches", summary="List batches that expire")
async def list_batches(
    page: Paged,
    tx: Session,
    _: Reader,
    product_id: OfProduct = None,
    warehouse_id: InWarehouse = None,
    expires_until: Annotated[date | None, Query(description="only those that expire on or before this day")] = None,
) -> Page[BatchOut]:
    """Sorted by product, warehouse and day, with the pieces that are left. From the day (UTC) in `expires_on`, a batch
    is not available: scrap it by an adjustment with its `expires_on` and `batch`."""
    found = await batch_queries.search(
        tx, page.position, product_id=product_id, warehouse_id=warehouse_id, expires_until=expires_until
    )
    return page.of(found, partial(BatchOut.as_of, utcnow().date()))


@router.post(
    "/receipts",
    status_code=201,
    summary="Receive stock",
    response_model=ReceiptOut,
    responses=problems(NotFound, ProductUnknown, ProductDeleted, IdempotencyKeyMissing, IdempotencyKeyReused),
)
async def receive(
    body: ReceiptIn, tx: Transaction, who: Annotated[Principal, Requires("stock:receive")], key: MaybeIdempotencyKey
) -> Response:
    """Books goods that arrived together: all of up to 5,000 lines, or none. Send an `Idempotency-Key`, so that a
    delivery is booked once even if you repeat the request because its response was lost. Pieces that have already
    expired are booked too, but are not available.

    A product that was created a moment ago may still be unknown: `409 product-unknown` says when to try again.
    """
    if key and (stored := await idempotency.claim(tx, who.user_id, key)):
        return replay(stored)
    receipt = StockReceipt(warehouse_id=body.warehouse_id, supplier_id=body.supplier_id, booked_by=who.user_id)
    lines = [
        StockReceiptLine(receipt_id=receipt.id, position=position, **line.columns())
        for position, line in enumerate(body.lines, start=1)
    ]
    await use_cases.receive(tx, receipt, lines)
    return await respond(tx, who, key, 201, ReceiptOut.with_lines(receipt, lines), f"/stock/receipts/{receipt.id}")


@router.get("/receipts", summary="List receipts")
async def list_receipts(
    page: PagedByTime,
    tx: Session,
    _: Reader,
    warehouse_id: InWarehouse = None,
    supplier_id: Annotated[UUID | None, Query(description="only from this supplier")] = None,
) -> Page[ReceiptSummary]:
    """Receipts are listed without their lines."""
    values = {"warehouse_id": warehouse_id, "supplier_id": supplier_id}
    return page.of(await records.page(tx, page.position, StockReceipt, StockReceipt.id, **values), ReceiptSummary.of)


@router.get("/receipts/{receipt_id}", summary="Get a receipt", responses=problems(NotFound))
async def read_receipt(receipt_id: UUID, tx: Session, _: Reader) -> ReceiptOut:
    """Includes its supplier and its lines with product, quantity, batch, expiry and cost."""
    receipt = await records.read(tx, StockReceipt, receipt_id)
    return ReceiptOut.with_lines(receipt, await queries.receipt_lines(tx, receipt_id))


@router.post(
    "/adjustments",
    status_code=201,
    summary="Adjust stock",
    response_model=MovementOut,
    responses=problems(
        NotFound,
        BelowReserved,
        BatchTooSmall,
        ProductUnknown,
        ProductDeleted,
        IdempotencyKeyMissing,
        IdempotencyKeyReused,
    ),
)
async def adjust(
    body: AdjustmentIn, tx: Transaction, who: Annotated[Principal, Requires("stock:adjust")], key: MaybeIdempotencyKey
) -> Response:
    """Corrects the stock after a count, a loss or a find, but never to less than orders have reserved. With an
    `Idempotency-Key`, a repeated request is booked once.

    Scrap expired pieces by their `expires_on` and `batch`: a loss without them takes no expired pieces.
    """
    if key and (stored := await idempotency.claim(tx, who.user_id, key)):
        return replay(stored)
    movement = StockMovement(kind=MovementKind.ADJUSTMENT, booked_by=who.user_id, **body.model_dump())
    await use_cases.adjust(tx, movement)
    return await respond(tx, who, key, 201, MovementOut.of(movement), f"/stock/movements/{movement.id}")


@router.get("/movements", summary="List stock movements")
async def list_movements(
    page: PagedByTime,
    tx: Session,
    _: Reader,
    product_id: OfProduct = None,
    warehouse_id: InWarehouse = None,
    kind: Annotated[MovementKind | None, Query(description="only of this kind")] = None,
) -> Page[MovementOut]:
    """Every change of the stock on hand, which is the sum of all movements."""
    values = {"product_id": product_id, "warehouse_id": warehouse_id, "kind": kind}
    return page.of(await records.page(tx, page.position, StockMovement, StockMovement.id, **values), MovementOut.of)


@router.get("/movements/{movement_id}", summary="Get a stock movement", responses=problems(NotFound))
async def read_movement(movement_id: UUID, tx: Session, _: Reader) -> MovementOut:
    """A movement is never changed; an error is corrected by another movement."""
    return MovementOut.of(await records.read(tx, StockMovement, movement_id))
