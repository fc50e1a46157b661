"""What inventory tells about reservations and parcels. One lock and one write for a whole batch."""

from collections.abc import Iterable, Sequence

from contracts.events import inventory_deduction as answers
from contracts.events import shipment_notification as parcels
from order_service.orders import use_cases
from order_service.orders.models import Actor, ShipmentStatus, Trigger
from order_service.orders.state import Cause, Shipment
from order_service.orders.use_cases import Step
from service_kit.clock import utcnow
from service_kit.database import HotTx
from service_kit.messaging import Envelope, consumes


@consumes(answers.ReservationAccepted, batch=True)
async def on_accepted(tx: HotTx, events: list[answers.ReservationAccepted], envelopes: list[Envelope]) -> None:
    """Stock is reserved: the money may come."""
    await use_cases.hear(tx, _answers(Trigger.RESERVATION_ACCEPTED, events, envelopes))


@consumes(answers.ReservationRejected, batch=True)
async def on_rejected(tx: HotTx, events: list[answers.ReservationRejected], envelopes: list[Envelope]) -> None:
    """There is not enough stock: of an order just placed, or of a paid one whose reservation had ended."""
    await use_cases.hear(tx, _answers(Trigger.RESERVATION_REJECTED, events, envelopes, "not enough stock"))


@consumes(answers.ReservationExpired, batch=True)
async def on_expired(tx: HotTx, events: list[answers.ReservationExpired], envelopes: list[Envelope]) -> None:
    """The reservation ended by itself: only the history needs to know, since fulfilment reserves again."""
    await use_cases.hear(tx, _answers(Trigger.RESERVATION_EXPIRED, events, envelopes))


@consumes(answers.ReservationReleased, batch=True)
async def on_released(tx: HotTx, events: list[answers.ReservationReleased], envelopes: list[Envelope]) -> None:
    """The stock is free again: an order that waited for that is cancelled, and its money goes back."""
    await use_cases.hear(tx, _answers(Trigger.RESERVATION_RELEASED, events, envelopes))


@consumes(answers.ReleaseRefused, batch=True)
async def on_refused(tx: HotTx, events: list[answers.ReleaseRefused], envelopes: list[Envelope]) -> None:
    """A parcel had left before the cancellation came: the order goes on."""
    await use_cases.hear(tx, _answers(Trigger.RELEASE_REFUSED, events, envelopes))


@consumes(parcels.ShipmentCreated, batch=True)
async def on_created(tx: HotTx, events: list[parcels.ShipmentCreated], envelopes: list[Envelope]) -> None:
    """A warehouse packs."""
    await use_cases.hear(tx, _parcels(ShipmentStatus.CREATED, events, envelopes))


@consumes(parcels.ShipmentDispatched, batch=True)
async def on_dispatched(tx: HotTx, events: list[parcels.ShipmentDispatched], envelopes: list[Envelope]) -> None:
    """A parcel is on its way."""
    await use_cases.hear(tx, _parcels(ShipmentStatus.DISPATCHED, events, envelopes))


@consumes(parcels.ShipmentDelivered, batch=True)
async def on_delivered(tx: HotTx, events: list[parcels.ShipmentDelivered], envelopes: list[Envelope]) -> None:
    """A parcel has arrived."""
    await use_cases.hear(tx, _parcels(ShipmentStatus.DELIVERED, events, envelopes))


def _answers(
    trigger: Trigger,
    events: Sequence[answers.InventoryAnswer],
    envelopes: Iterable[Envelope],
    reason: str | None = None,
) -> list[Step]:
    """A step for each; a refusal gives its own reason."""
    return [
        Step(event.order_id, trigger, _cause(envelope, getattr(event, "reason", reason), event))
        for event, envelope in zip(events, envelopes, strict=True)
    ]


def _parcels(
    status: ShipmentStatus, events: Iterable[parcels.ShipmentEvent], envelopes: Iterable[Envelope]
) -> list[Step]:
    return [
        Step(event.order_id, _shipment(status, event), _cause(envelope))
        for event, envelope in zip(events, envelopes, strict=True)
    ]


def _shipment(status: ShipmentStatus, event: parcels.ShipmentEvent) -> Shipment:
    left = event if isinstance(event, parcels.ShipmentDispatched) else None
    return Shipment(
        id=event.shipment_id,
        status=status,
        shipments_of_order=event.shipments_of_order,
        carrier=left.carrier if left else None,
        tracking_number=left.tracking_number if left else None,
        version=event.version,
    )


def _cause(envelope: Envelope, reason: str | None = None, context: answers.InventoryAnswer | None = None) -> Cause:
    """Times are ours, so that an order's history never runs backwards."""
    return Cause(utcnow(), Actor.INVENTORY, reason=reason, context=context, traceparent=envelope.traceparent)
