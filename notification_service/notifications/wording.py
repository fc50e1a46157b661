"""What the templates of notifications, which are beside this file, show of an event."""

from typing import Any

from contracts.events import Event
from contracts.events.order_notification import OrderAwaitingPayment, OrderPlaced, OrderRejected, ReturnEvent
from contracts.events.payment_status import PaymentFailed
from contracts.events.shipment_notification import ReturnReceived, ShipmentLost
from notification_service.notifications.failures import why_it_failed

# An order may have 2,000 lines, so that a message names only the first.
NAMED_LINES = 5
_NOTIFIED = {
    "number", "total", "amount", "pay_by", "reason", "carrier", "tracking_number", "tracking_url",
    "discount", "shipping", "tax", "invoice_number", "credit_note", "link",
}  # fmt: skip


def facts_of(event: Event) -> dict[str, Any]:
    """The data of an event that templates show, as JSON."""
    facts = event.model_dump(mode="json", include=_NOTIFIED, exclude_none=True)
    if isinstance(event, OrderPlaced):
        facts |= {"units": sum(line.quantity for line in event.lines), **_confirmed(event)}
    if isinstance(event, OrderAwaitingPayment) and (event.automatic_payment or not event.total.amount):
        facts["pays_by_itself"] = True
    if isinstance(event, PaymentFailed):
        facts["reason"] = why_it_failed(event.reason)
    if isinstance(event, ReturnEvent | ShipmentLost):
        facts["units"] = sum(line.quantity for line in event.lines)
    if isinstance(event, ReturnReceived):
        facts["units"] = sum(line.restocked + line.scrapped for line in event.lines)
    if isinstance(event, OrderRejected):
        facts["lines"] = [line.model_dump(mode="json", exclude={"product_id"}) for line in event.lines[:NAMED_LINES]]
        facts["more_lines"] = max(0, len(event.lines) - NAMED_LINES)
    return facts


def _confirmed(event: OrderPlaced) -> dict[str, Any]:
    """Data for the e-mail only: the lines and the shipping address, which events of earlier versions don't have."""
    named = [line for line in event.lines if line.name is not None]
    lines = [line.model_dump(include={"sku", "name", "quantity", "unit_price"}) for line in named]
    shown: dict[str, Any] = {"ordered": lines, "more_ordered": len(event.lines) - len(lines)} if lines else {}
    if event.ship_to is not None:
        shown["ship_to"] = event.ship_to.model_dump(exclude={"phone"}, exclude_none=True)
    return shown
