"""Shipments over HTTP: what is to be packed, what left, what arrived."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response

from inventory_service import records
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
from service_kit.http.etag import IfMatch, set_etag
from service_kit.http.pagination import Page, PagedByTime
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Connection, Session
from service_kit.problems import NotFound, PreconditionFailed
from service_kit.security import Principal, Requires

router = Router(prefix="/shipments", tags=["shipments"])
# Not below /shipments, where whatever comes next is a shipment's id.
dispatches = Router(prefix="/dispatches", tags=["shipments"])

Reader = Annotated[Principal, Requires("shipments:read")]


@router.get("", summary="List shipments")
async def list_shipments(
    page: PagedByTime,
    tx: Session,
    _: Reader,
    order_id: Annotated[UUID | None, Query(description="of this order alone")] = None,
    status: Annotated[ShipmentStatus | None, Query(description="`created`: what waits to be dispatched")] = None,
    warehouse_id: Annotated[UUID | None, Query(description="from this warehouse alone")] = None,
    refunded: Annotated[bool | None, Query(description="whether all that was paid for them was refunded")] = None,
) -> Page[ShipmentSummary]:
    """With `status=created` and `sort=created_at`: what has waited longest to be dispatched.

    A paid order has one shipment from each warehouse that has goods for it. Each has its first five lines, and how many
    it has in all.
    """
    values = {"order_id": order_id, "status": status, "warehouse_id": warehouse_id, "refunded": refunded}
    found, counts = await records.shortened_page(tx, page.position, Shipment, **values)
    return page.of(found, lambda shipment: ShipmentSummary.of(shipment, line_count=counts[shipment.id]))


@router.get("/{shipment_id}", summary="Get a shipment", responses=problems(NotFound))
async def read_shipment(shipment_id: UUID, tx: Session, _: Reader, response: Response) -> ShipmentOut:
    """With its lines, where it goes, and its tracking number once it left."""
    shipment = await records.read(tx, Shipment, shipment_id)
    set_etag(response, shipment.version)
    return ShipmentOut.of(shipment)


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
    """The stock is deducted and the customer told; from here on the order can't be cancelled. What expires first leaves
    first; where too little is left that has not expired, the parcel stays. So does one whose order was refunded in
    full, unless `confirm_refunded` is said.

    Sent again with the same carrier and number it gives the same answer and does nothing more.
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
    """What the carrier collected, up to 100 parcels: each as if it were handed over by itself, in one piece of work.

    One that can't leave (unknown, cancelled, sent with another number) holds up none of the others and has the problem
    beside it, so look at each. Sent again it gives the same answer and does nothing more.
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
    """Of a parcel that has left. What was said before is kept in `corrections`, and the customer is told what is right.
    Sent again it does nothing more."""

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
    """It left and will not arrive: what was in it is refunded, no stock comes back, and it can't be delivered any more.
    Should it turn up after all, book what is in it as found. Sent again it does nothing more."""
    return ShipmentOut.of(await use_cases.lose(connection, shipment_id))


@router.post(
    "/{shipment_id}/deliver", summary="Mark a shipment as delivered", responses=problems(NotFound, NotToDeliver)
)
async def deliver(
    shipment_id: UUID, connection: Connection, _: Annotated[Principal, Requires("shipments:deliver")]
) -> ShipmentOut:
    """The parcel has arrived, and the customer is told. Sent again it does nothing more."""
    return ShipmentOut.of(await use_cases.deliver(connection, shipment_id))


def _parcel(request: Request, shipment_id: UUID, body: DispatchIn) -> Parcel:
    url = body.tracking_url or _url(request, body.carrier, body.tracking_number)
    return Parcel(shipment_id, body.carrier, body.tracking_number, url, body.confirm_refunded)


def _url(request: Request, carrier: str, tracking_number: str) -> str | None:
    return tracking_url(request.app.state.runtime.settings.tracking_urls, carrier, tracking_number)
