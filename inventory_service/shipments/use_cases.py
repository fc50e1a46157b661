"""Parcels leave and arrive."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from contracts.events.base import Event
from contracts.events.inventory_deduction import StockDeducted
from contracts.events.shipment_notification import (
    ShipmentCorrected,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentEvent,
    ShipmentLost,
)
from inventory_service.shipments import queries
from inventory_service.shipments.models import NotToDispatch, Shipment, ShipmentRefunded
from inventory_service.shipments.queries import Versioned
from inventory_service.stock import batch_queries as batches
from inventory_service.stock.models import StockExpired
from service_kit.clock import utcnow
from service_kit.database import Connection
from service_kit.problems import NotFound, Problem, not_found


@dataclass(frozen=True, slots=True)
class Parcel:
    """A shipment as it was handed to the carrier."""

    shipment_id: UUID
    carrier: str
    tracking_number: str
    tracking_url: str | None = None
    confirm_refunded: bool = False


async def dispatch(connection: Connection, parcel: Parcel, dispatched_by: UUID) -> Shipment:
    """The parcel is with the carrier: its products leave stock and reservation.

    Raises: NotFound, NotToDispatch, ShipmentRefunded, StockExpired.
    """
    (found,) = await dispatch_all(connection, [parcel], dispatched_by)
    if isinstance(found, Problem):
        raise found
    return found


async def dispatch_all(
    connection: Connection, parcels: Sequence[Parcel], dispatched_by: UUID
) -> list[Shipment | Problem]:
    """Each parcel by itself, in the order given: the shipment that left, or why it didn't.

    Decided on what was read, and decided again where that has changed meanwhile: a release that comes at the same
    moment either was before, and has cancelled the shipment, or comes after, and is rejected.
    """
    found: dict[int, Shipment | Problem] = {}
    while waiting := [(n, parcel) for n, parcel in enumerate(parcels) if n not in found]:
        known = await queries.read(connection, {parcel.shipment_id for _, parcel in waiting})
        dispatching: dict[UUID, tuple[int, Versioned]] = {}
        now = utcnow()
        for n, parcel in waiting:
            try:
                read = known.get(parcel.shipment_id) or not_found(Shipment, parcel.shipment_id)
                if read.shipment.order_id in dispatching:  # its turn comes when the other has left
                    continue
                if read.shipment.dispatch(
                    parcel.carrier,
                    parcel.tracking_number,
                    now,
                    tracking_url=parcel.tracking_url,
                    confirm_refunded=parcel.confirm_refunded,
                ):
                    dispatching[read.shipment.order_id] = n, read
                else:
                    found[n] = read.shipment
            except (NotFound, NotToDispatch, ShipmentRefunded) as problem:
                found[n] = problem
        found.update(await _dispatch_once(connection, list(dispatching.values()), dispatched_by))
    return [found[n] for n in range(len(parcels))]


async def _dispatch_once(
    connection: Connection, dispatching: Sequence[tuple[int, Versioned]], dispatched_by: UUID
) -> dict[int, Shipment | Problem]:
    """Those whose order's reservation has not changed since; where something has expired, each by itself."""
    if not dispatching:
        return {}
    events: list[Event] = []
    for _, (shipment, reservation_version) in dispatching:
        fields = shipment.event_fields()
        events += StockDeducted(**{**fields, "version": reservation_version + 1}), ShipmentDispatched(**fields)
    try:
        left = await queries.store_dispatch(connection, [read for _, read in dispatching], dispatched_by, events)
    except queries.StockHasExpired:
        if len(dispatching) == 1:
            [(n, (shipment, _))] = dispatching
            return await _expired(connection, n, shipment)
        found: dict[int, Shipment | Problem] = {}
        for each in dispatching:
            found |= await _dispatch_once(connection, [each], dispatched_by)
        return found
    return {n: shipment for n, (shipment, _) in dispatching if shipment.id in left}


async def _expired(connection: Connection, n: int, shipment: Shipment) -> dict[int, Shipment | Problem]:
    """Why it can't leave. Empty where fresh stock came in meanwhile, so that it is tried again."""
    quantities, today = shipment.quantities(), utcnow().date()
    lines = await batches.lacking(connection, shipment.warehouse_id, quantities, today)
    return {n: StockExpired(lines=lines)} if lines else {}


async def deliver(connection: Connection, shipment_id: UUID) -> Shipment:
    """The parcel has arrived. Raises: NotFound, NotToDeliver."""
    return await _change(connection, shipment_id, lambda shipment: shipment.deliver(utcnow()), ShipmentDelivered)


async def lose(connection: Connection, shipment_id: UUID) -> Shipment:
    """The parcel will not arrive: the order service refunds what was in it. Raises: NotFound, NotToLose."""
    return await _change(connection, shipment_id, lambda shipment: shipment.lose(utcnow()), ShipmentLost)


async def correct(connection: Connection, shipment_id: UUID, correction: Callable[[Shipment], bool]) -> Shipment:
    """Tells the customer the right carrier and number. Raises: NotFound, NotToCorrect, PreconditionFailed."""
    return await _change(connection, shipment_id, correction, ShipmentCorrected)


async def _change(
    connection: Connection, shipment_id: UUID, step: Callable[[Shipment], bool], event: type[ShipmentEvent]
) -> Shipment:
    """Applies `step`, and reads and applies it again where another step was stored meanwhile."""
    while True:
        found = (await queries.read(connection, [shipment_id])).get(shipment_id) or not_found(Shipment, shipment_id)
        shipment = found.shipment
        if not step(shipment) or await queries.store_step(connection, shipment, event(**shipment.event_fields())):
            return shipment
