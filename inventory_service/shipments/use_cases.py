"""Dispatches, delivers and corrects shipments."""

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
    """The data of a shipment that is handed to the carrier."""

    shipment_id: UUID
    carrier: str
    tracking_number: str
    tracking_url: str | None = None
    confirm_refunded: bool = False


async def dispatch(connection: Connection, parcel: Parcel, dispatched_by: UUID) -> Shipment:
    """Dispatches a parcel: its pieces are deducted from the stock and from the reservation.

    Raises: NotFound, NotToDispatch, ShipmentRefunded, StockExpired.
    """
    (found,) = await dispatch_all(connection, [parcel], dispatched_by)
    if isinstance(found, Problem):
        raise found
    return found


async def dispatch_all(
    connection: Connection, parcels: Sequence[Parcel], dispatched_by: UUID
) -> list[Shipment | Problem]:
    """Dispatches parcels independently. Returns for each, in their order, the shipment or the problem.

    Each dispatch is decided on the rows that were read, and decided again if they have changed meanwhile: a concurrent
    release either commits first and cancels the shipment, or comes later and is rejected.
    """
    found: dict[int, Shipment | Problem] = {}
    while waiting := [(n, parcel) for n, parcel in enumerate(parcels) if n not in found]:
        known = await queries.read(connection, {parcel.shipment_id for _, parcel in waiting})
        dispatching: dict[UUID, tuple[int, Versioned]] = {}
        now = utcnow()
        for n, parcel in waiting:
            try:
                read = known.get(parcel.shipment_id) or not_found(Shipment, parcel.shipment_id)
                if read.shipment.order_id in dispatching:  # it is retried after the order's other parcel
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
    """Dispatches the shipments whose order's reservation has not changed since it was read. If the statement fails
    because of expired pieces, each shipment is dispatched in a statement of its own."""
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
    """The problem of a parcel. Empty if fresh stock was received meanwhile: then the parcel is retried."""
    quantities, today = shipment.quantities(), utcnow().date()
    lines = await batches.lacking(connection, shipment.warehouse_id, quantities, today)
    return {n: StockExpired(lines=lines)} if lines else {}


async def deliver(connection: Connection, shipment_id: UUID) -> Shipment:
    """Marks a shipment as delivered. Raises: NotFound, NotToDeliver."""
    return await _change(connection, shipment_id, lambda shipment: shipment.deliver(utcnow()), ShipmentDelivered)


async def lose(connection: Connection, shipment_id: UUID) -> Shipment:
    """Marks a shipment as lost; the order service refunds its lines. Raises: NotFound, NotToLose."""
    return await _change(connection, shipment_id, lambda shipment: shipment.lose(utcnow()), ShipmentLost)


async def correct(connection: Connection, shipment_id: UUID, correction: Callable[[Shipment], bool]) -> Shipment:
    """Stores the correction, of which the customer is notified. Raises: NotFound, NotToCorrect, PreconditionFailed."""
    return await _change(connection, shipment_id, correction, ShipmentCorrected)


async def _change(
    connection: Connection, shipment_id: UUID, step: Callable[[Shipment], bool], event: type[ShipmentEvent]
) -> Shipment:
    """Applies `step` to the shipment; if another step was stored meanwhile, reads the shipment and applies it again."""
    while True:
        found = (await queries.read(connection, [shipment_id])).get(shipment_id) or not_found(Shipment, shipment_id)
        shipment = found.shipment
        if not step(shipment) or await queries.store_step(connection, shipment, event(**shipment.event_fields())):
            return shipment
