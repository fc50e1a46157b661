"""Events of inventory about reservations and parcels. One lock and one write for a whole batch of a topic."""

from contracts.events import inventory_deduction as answers
from contracts.events import shipment_notification as parcels
from order_service.fulfilment import use_cases
from order_service.fulfilment.use_cases import Step
from order_service.orders.lifecycle import Cause, Shipment, Trigger
from order_service.orders.models import Actor, ShipmentStatus
from service_kit.clock import utcnow
from service_kit.database import Transaction
from service_kit.messaging import Envelope, consumes

ANSWERS: dict[type[answers.InventoryAnswer], Trigger] = {
    answers.ReservationAccepted: Trigger.RESERVATION_ACCEPTED,
    answers.ReservationRejected: Trigger.RESERVATION_REJECTED,
    answers.ReservationExpired: Trigger.RESERVATION_EXPIRED,
    answers.ReservationReleased: Trigger.RESERVATION_RELEASED,
    answers.ReleaseRefused: Trigger.RELEASE_REFUSED,
}
PARCELS: dict[type[parcels.ShipmentEvent], ShipmentStatus] = {
    parcels.ShipmentCreated: ShipmentStatus.CREATED,
    parcels.ShipmentDispatched: ShipmentStatus.DISPATCHED,
    parcels.ShipmentDelivered: ShipmentStatus.DELIVERED,
    parcels.ShipmentLost: ShipmentStatus.LOST,
}


@consumes(answers.ReservationAccepted, batch=True)
@consumes(answers.ReservationRejected, batch=True)
@consumes(answers.ReservationExpired, batch=True)
@consumes(answers.ReservationReleased, batch=True)
@consumes(answers.ReleaseRefused, batch=True)
async def on_reservation_events(
    tx: Transaction, events: list[answers.InventoryAnswer], envelopes: list[Envelope]
) -> None:
    """One handler for all these event types, so that a batch locks its orders once."""
    steps = [
        Step(event.order_id, ANSWERS[type(event)], _cause(envelope, _reason(event), event))
        for event, envelope in zip(events, envelopes, strict=True)
    ]
    await use_cases.apply(tx, steps)


@consumes(parcels.ShipmentCreated, batch=True)
@consumes(parcels.ShipmentDispatched, batch=True)
@consumes(parcels.ShipmentDelivered, batch=True)
@consumes(parcels.ShipmentCorrected, batch=True)
@consumes(parcels.ShipmentLost, batch=True)
async def on_shipment_events(tx: Transaction, events: list[parcels.ShipmentEvent], envelopes: list[Envelope]) -> None:
    """One handler for all these event types, so that a batch locks its orders once."""
    steps = [
        Step(event.order_id, shipment_of(event), _cause(envelope, _reason_of(event)))
        for event, envelope in zip(events, envelopes, strict=True)
    ]
    await use_cases.apply(tx, steps)


def _reason(event: answers.InventoryAnswer) -> str | None:
    if isinstance(event, answers.ReleaseRefused):
        return event.reason
    return "not enough stock" if isinstance(event, answers.ReservationRejected) else None


def _reason_of(event: parcels.ShipmentEvent) -> str | None:
    """The reason in the order's history."""
    if isinstance(event, parcels.ShipmentCorrected):
        return f"{event.carrier} {event.tracking_number}"
    return "lost by the carrier" if isinstance(event, parcels.ShipmentLost) else None


def shipment_of(event: parcels.ShipmentEvent) -> Shipment:
    """The state of a parcel; with its lines only when it has arrived or is lost."""
    status = ShipmentStatus(event.status) if isinstance(event, parcels.ShipmentCorrected) else PARCELS[type(event)]
    shipment = Shipment(
        id=event.shipment_id,
        order_id=event.order_id,
        status=status,
        shipments_of_order=event.shipments_of_order,
        version=event.version,
    )
    if isinstance(event, (parcels.ShipmentDispatched, parcels.ShipmentCorrected)):
        shipment.carrier, shipment.tracking_number = event.carrier, event.tracking_number
        shipment.tracking_url = event.tracking_url
    elif isinstance(event, (parcels.ShipmentDelivered, parcels.ShipmentLost)):
        shipment.lines = [line.model_dump(mode="json") for line in event.lines]
    return shipment


def _cause(envelope: Envelope, reason: str | None = None, context: answers.InventoryAnswer | None = None) -> Cause:
    """The time is our own, and not the event's, so that times in an order's history never decrease."""
    return Cause(utcnow(), Actor.INVENTORY, reason=reason, context=context, traceparent=envelope.traceparent)
