"""A consumer as most people write it: one transaction for each message."""

from uuid import UUID

from sqlmodel import Session

from benchmarks.naive.models import InboxEntry
from contracts.events.order_notification import OrderPaid
from notification_service.notifications.kinds import Kind
from notification_service.notifications.models import Notification
from notification_service.notifications.wording import facts_of, words_for
from service_kit.clock import utcnow


def handle(session: Session, event_id: UUID, event: OrderPaid) -> bool:
    """Tells the customer, once however often the event comes; whether it was new."""
    if session.get(InboxEntry, event_id) is not None:
        session.rollback()
        return False
    now = utcnow()
    facts = facts_of(event)
    words = words_for(Kind.ORDER_PAID, facts)
    session.add(InboxEntry(event_id=event_id, topic=event.topic.name, received_at=now))
    session.add(
        Notification(
            event_id=event_id,
            user_id=event.user_id,
            kind=Kind.ORDER_PAID,
            order_id=event.order_id,
            title=words.title,
            body=words.body,
            facts=facts,
            created_at=now,
            told_at=now,
        )
    )
    session.commit()
    return True
