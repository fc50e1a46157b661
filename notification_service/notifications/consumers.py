"""Consumes the events that customers are notified of."""

from contracts.events.order_notification import (
    OrderAwaitingPayment,
    OrderCancelled,
    OrderEvent,
    OrderExpired,
    OrderPaid,
    OrderPlaced,
    OrderRejected,
    ReturnApproved,
    ReturnRefused,
)
from contracts.events.payment_status import PaymentFailed, PaymentRefunded, PaymentReport
from contracts.events.shipment_notification import (
    ReturnClosed,
    ReturnReceived,
    ShipmentCorrected,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentEvent,
    ShipmentLost,
)
from notification_service.notifications import use_cases
from service_kit.database import Transaction
from service_kit.messaging import Envelope, consumes


@consumes(OrderPlaced, batch=True)
@consumes(OrderRejected, batch=True)
@consumes(OrderAwaitingPayment, batch=True)
@consumes(OrderPaid, batch=True)
@consumes(OrderCancelled, batch=True)
@consumes(OrderExpired, batch=True)
@consumes(ReturnApproved, batch=True)
@consumes(ReturnRefused, batch=True)
async def on_order_events(tx: Transaction, events: list[OrderEvent], envelopes: list[Envelope]) -> None:
    """A change of an order's status, or a decision of staff about a return."""
    await use_cases.add(tx, events, envelopes)


@consumes(PaymentFailed, batch=True)
@consumes(PaymentRefunded, batch=True)
async def on_payment_events(tx: Transaction, events: list[PaymentReport], envelopes: list[Envelope]) -> None:
    """Payment events of the order service. It repeats those of other sources as its own, so these are ignored here."""
    ours = [pair for pair in zip(events, envelopes, strict=True) if pair[1].source == PaymentReport.source]
    await use_cases.add(tx, [event for event, _ in ours], [envelope for _, envelope in ours])


@consumes(ShipmentDispatched, batch=True)
@consumes(ShipmentDelivered, batch=True)
@consumes(ShipmentCorrected, batch=True)
@consumes(ShipmentLost, batch=True)
@consumes(ReturnReceived, batch=True)
@consumes(ReturnClosed, batch=True)
async def on_shipment_events(
    tx: Transaction, events: list[ShipmentEvent | ReturnReceived | ReturnClosed], envelopes: list[Envelope]
) -> None:
    """A step of a shipment to the customer, or of returned goods."""
    await use_cases.add(tx, events, envelopes)
