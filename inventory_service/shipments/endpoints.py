"""The HTTP endpoints of shipments."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response

from inventory_service import records
from inventory_service.catalogue import queries as catalogue
from inventory_service.shipments import use_cases
from inventory_service.shipments.models import (
    NotToCorrect,
    NotToDeliver,
    NotToDispatch,
    NotToLose,
    Shipment,
    ShipmentRefunded,
    ShipmentStatus,
)
from inventory_service.shipments.packing_slips import packing_slip
from inventory_service.shipments.schemas import (
    CollectionIn,
    CollectionOut,
    CorrectionIn,
    DispatchIn,
    ParcelOut,
    ShipmentOut,
    ShipmentSummary,
)
from inventory_service.shipments.tracking import tracking_url
from inventory_service.shipments.use_cases import Parcel
from inventory_service.stock.models import StockExpired
from service_kit.clock import utcnow
from service_kit.http.etag import IfMatch, tagged
from service_kit.http.pagination import Page, PagedByTime
from service_kit.http.papers import PaperFormat, paper_answers, paper_response
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Connection, Session, database_of
from service_kit.problems import NotFound, PreconditionFailed
from service_kit.security import Principal, Requires

router = Router(prefix="/shipments", tags=["shipments"])
# It is not below /shipments, where the next segment of the path is the id of a shipment.
dispatches = Router(prefix="/dispatches", tags=["shipments"])

Reader = Annotated[Principal, Requires("shipments:read")]


@router.get("", summary="List shipments")
async def list_shipments(
    page: PagedByTime,
    tx: Session,
    _: Reader,
    order_id: Annotated[UUID | None, Query(description="only of this order")] = None,
    status: Annotated[ShipmentStatus | None, Query(description="`created`: not dispatched yet")] = None,
    warehouse_id: Annotated[UUID | None, Query(description="only from this warehouse")] = None,
    refunded: Annotated[bool | None, Query(description="whether their order was refunded in full")] = None,
) -> Page[ShipmentSummary]:
    """With `status=created` and `sort=created_at`, the shipments that have waited longest to be dispatched come first.

    A paid order has one shipment from each warehouse that supplies it. The list has the first five lines of each
    shipment, and the number of all.
    """
    values = {"order_id": order_id, "status": status, "warehouse_id": warehouse_id, "refunded": refunded}
    found, counts = await records.shortened_page(tx, page.position, Shipment, **values)
    return page.of(found, lambda shipment: ShipmentSummary.of(shipment, line_count=counts[shipment.id]))


@router.get("/{shipment_id}", summary="Get a shipment", responses=problems(NotFound))
async def read_shipment(shipment_id: UUID, tx: Session, _: Reader, response: Response) -> ShipmentOut:
    """Includes all its lines, the address and, after the dispatch, the tracking number."""
    shipment = await records.read(tx, Shipment, shipment_id)
    return tagged(response, ShipmentOut.of(shipment), shipment.version)


@router.get(
    "/{shipment_id}/packing-slip",
    summary="Get the packing slip of a shipment",
    response_class=Response,
    responses={**paper_answers(), **problems(NotFound)},
)
async def read_packing_slip(
    shipment_id: UUID,
    request: Request,
    _: Reader,
    format: Annotated[PaperFormat, Query(description="a page, or a file for printing")] = PaperFormat.HTML,
) -> Response:
    """What belongs in the parcel and where it goes, without prices: for the warehouse, and to be put in the parcel."""
    async with database_of(request).session() as tx:
        shipment = await records.read(tx, Shipment, shipment_id)
        products = await catalogue.by_ids(tx, shipment.quantities())
    return await paper_response(packing_slip(shipment, products), f"packing-slip-{shipment.number}", format)


@router.post(
    "/{shipment_id}/dispatch",
    summary="Dispatch a shipment",
    response_model=ShipmentOut,
    responses=problems(NotFound, NotToDispatch, ShipmentRefunded, StockExpired),
)
async def dispatch(
    shipment_id: UUID,
    body: DispatchIn,
    connection: Connection,
    who: Annotated[Principal, Requires("shipments:dispatch")],
    request: Request,
) -> Response:
    """The stock is deducted, the customer is notified, and the order can no longer be cancelled. Batches that expire
    first are taken first. The request is rejected if too few pieces are left that have not expired, or if the order was
    refunded in full, unless `confirm_refunded` is true.

    Repeating the request with the same carrier and number gives the same response and has no further effect.
    """
    shipment = await use_cases.dispatch(connection, _parcel(request, shipment_id, body), who.user_id)
    return Response(ShipmentOut.of(shipment).model_dump_json(), media_type="application/json")


@dispatches.post("", summary="Dispatch many shipments")
async def dispatch_all(
    body: CollectionIn,
    connection: Connection,
    who: Annotated[Principal, Requires("shipments:dispatch")],
    request: Request,
) -> CollectionOut:
    """Dispatches up to 100 parcels that the carrier collected, each independently of the others.

    A parcel that can't be dispatched (unknown, cancelled, dispatched with another number) does not stop the others. Its
    item in the response has a `problem`. Repeating the request gives the same response and has no further effect.
    """
    parcels = [_parcel(request, parcel.shipment_id, parcel) for parcel in body.parcels]
    found = await use_cases.dispatch_all(connection, parcels, who.user_id)
    return CollectionOut(
        items=[ParcelOut.of(parcel.shipment_id, each) for parcel, each in zip(parcels, found, strict=True)]
    )


@router.patch(
    "/{shipment_id}/dispatch",
    summary="Correct the carrier and the tracking number",
    responses=problems(NotFound, NotToCorrect, PreconditionFailed),
)
async def correct(
    shipment_id: UUID,
    body: CorrectionIn,
    connection: Connection,
    expected: IfMatch,
    who: Annotated[Principal, Requires("shipments:dispatch")],
    request: Request,
) -> ShipmentOut:
    """For a dispatched shipment. The former values are kept in `corrections`, and the customer is notified. Repeating
    the request has no further effect."""

    def correction(shipment: Shipment) -> bool:
        expected.check(shipment.version)
        carrier, number = body.carrier or shipment.carrier or "", body.tracking_number or shipment.tracking_number or ""
        same = (carrier, number) == (shipment.carrier, shipment.tracking_number)
        url = body.tracking_url or (shipment.tracking_url if same else _url(request, carrier, number))
        return shipment.correct(carrier, number, url, who.user_id, utcnow())

    return ShipmentOut.of(await use_cases.correct(connection, shipment_id, correction))


@router.post("/{shipment_id}/lost", summary="Mark a shipment as lost", responses=problems(NotFound, NotToLose))
async def lose(
    shipment_id: UUID, connection: Connection, _: Annotated[Principal, Requires("shipments:lose")]
) -> ShipmentOut:
    """For a dispatched shipment that will not arrive: its lines are refunded, the stock does not change, and it can no
    longer be delivered. If it is found later, adjust the stock. Repeating the request has no further effect."""
    return ShipmentOut.of(await use_cases.lose(connection, shipment_id))


@router.post(
    "/{shipment_id}/deliver", summary="Mark a shipment as delivered", responses=problems(NotFound, NotToDeliver)
)
async def deliver(
    shipment_id: UUID, connection: Connection, _: Annotated[Principal, Requires("shipments:deliver")]
) -> ShipmentOut:
    """The parcel has arrived, and the customer is notified. Repeating the request has no further effect."""
    return ShipmentOut.of(await use_cases.deliver(connection, shipment_id))


def _parcel(request: Request, shipment_id: UUID, body: DispatchIn) -> Parcel:
    url = body.tracking_url or _url(request, body.carrier, body.tracking_number)
    return Parcel(shipment_id, body.carrier, body.tracking_number, url, body.confirm_refunded)


def _url(request: Request, carrier: str, tracking_number: str) -> str | None:
    return tracking_url(request.app.state.runtime.settings.tracking_urls, carrier, tracking_number)
