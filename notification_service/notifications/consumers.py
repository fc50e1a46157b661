"""Consumes the events that customers are notified of."""

from contracts.events.order_notification import (
    InvoiceIssued,
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
@consumes(InvoiceIssued, batch=True)
async def on_order_events(tx: Transaction, events: list[OrderEvent], envelopes: list[Envelope]) -> None:
    """Adds notifications of changes of orders, of decisions about returns, and of invoices."""
    await use_cases.add(tx, events, envelopes)


@consumes(PaymentFailed, batch=True)
@consumes(PaymentRefunded, batch=True)
async def on_payment_events(tx: Transaction, events: list[PaymentReport], envelopes: list[Envelope]) -> None:
    """Adds notifications of payments. Other sources' events are ignored: the order service publishes them again."""
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
    """Adds notifications of shipments, and of returned goods."""
    await use_cases.add(tx, events, envelopes)
