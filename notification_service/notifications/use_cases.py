"""Adds notifications from events, and marks them as read."""

from collections.abc import Sequence
from uuid import UUID

from contracts.events.order_notification import OrderEvent
from contracts.events.payment_status import PaymentReport
from contracts.events.shipment_notification import ReturnClosed, ReturnReceived, ShipmentEvent
from notification_service.kinds import Kind
from notification_service.notifications import queries
from notification_service.notifications.models import Notification
from notification_service.notifications.wording import facts_of
from notification_service.recipients import queries as recipients
from notification_service.templates import text_for
from service_kit.clock import utcnow
from service_kit.database import Session, Transaction
from service_kit.messaging import Envelope
from service_kit.problems import not_found

NotifiedEvent = OrderEvent | PaymentReport | ShipmentEvent | ReturnReceived | ReturnClosed


async def add(tx: Transaction, events: Sequence[NotifiedEvent], envelopes: Sequence[Envelope]) -> None:
    """Adds a notification for each event that has a customer, and the deliveries that the customer wants."""
    new = [
        _notification(event, envelope, event.customer_id)
        for event, envelope in zip(events, envelopes, strict=True)
        if event.customer_id is not None
    ]
    if new:
        await recipients.lock(tx, {each.customer_id for each in new})
        await queries.add(tx, new)


async def mark_read(tx: Session, id: UUID, customer_id: UUID) -> Notification:
    """Raises: NotFound, also for a notification of another customer."""
    notification = await queries.lock(tx, id, customer_id) or not_found(Notification, id)
    notification.read_at = notification.read_at or utcnow()
    return notification


def _notification(event: NotifiedEvent, envelope: Envelope, customer_id: UUID) -> Notification:
    kind, facts = Kind.of(type(event)), facts_of(event)
    title, body = text_for(kind, facts)
    return Notification(
        event_id=envelope.id, customer_id=customer_id, kind=kind, order_id=event.order_id, title=title, body=body,
        facts=facts, created_at=envelope.time,
    )  # fmt: skip
