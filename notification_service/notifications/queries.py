"""Every statement about notifications."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, update
from sqlmodel import col, select

from notification_service.channels import INBOX
from notification_service.deliveries import queries as deliveries
from notification_service.kinds import Kind
from notification_service.notifications.models import Notification
from notification_service.notifications.wording import Text
from service_kit.clock import utcnow
from service_kit.database import Session, Transaction
from service_kit.database.keyset import Position, Slice, keyset
from service_kit.database.signals import signal
from service_kit.ids import uuid7


@dataclass(frozen=True, slots=True)
class NewNotification:
    """One event to tell one customer of."""

    event_id: UUID
    customer_id: UUID
    kind: Kind
    order_id: UUID
    facts: dict[str, Any]
    words: Text
    happened_at: datetime


ADD = f"""
WITH added AS (
    INSERT INTO notifications (id, event_id, customer_id, kind, order_id, title, body, facts, created_at, told_at)
    SELECT news.*, CASE WHEN {INBOX.takes} THEN now() END
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::jsonb[],
                $9::timestamptz[])
         AS news (id, event_id, customer_id, kind, order_id, title, body, facts, created_at)
    JOIN recipients AS recipient ON recipient.customer_id = news.customer_id AND NOT recipient.erased
    ON CONFLICT (event_id) DO NOTHING
    RETURNING id, event_id, customer_id, kind, told_at, created_at, facts ? 'pays_by_itself' AS pays_by_itself
)
{deliveries.INSERT}
"""
ADD_WAITING = f"""
WITH added AS (
    UPDATE notifications SET told_at = now()
    FROM recipients AS recipient
    WHERE notifications.customer_id = ANY ($1) AND notifications.told_at IS NULL
      AND recipient.customer_id = notifications.customer_id AND {INBOX.takes}
    RETURNING notifications.id, notifications.event_id, notifications.customer_id, notifications.kind,
              notifications.told_at, notifications.created_at, facts ? 'pays_by_itself' AS pays_by_itself
)
{deliveries.INSERT}
"""


async def add(tx: Transaction, new: Sequence[NewNotification]) -> None:
    """Inbox rows and e-mails for the whole batch, one of each per event, however often it comes.

    The recipients must be held (`recipients.queries.hold`): the statement decides by what it reads of them.
    """
    inserted = await tx.execute(
        ADD,
        [uuid7() for _ in new],
        [each.event_id for each in new],
        [each.customer_id for each in new],
        [each.kind.value for each in new],
        [each.order_id for each in new],
        [each.words.title for each in new],
        [each.words.body for each in new],
        [json.dumps(each.facts) for each in new],
        [each.happened_at for each in new],
    )
    if inserted != "INSERT 0 0":
        signal(tx, deliveries.DUE)


async def add_waiting(tx: Transaction, customer_ids: Sequence[UUID]) -> None:
    """Shows these users, who are known now, what happened before they were."""
    await tx.execute(ADD_WAITING, customer_ids)
    signal(tx, deliveries.DUE)


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose notifications, and of which order; None: all."""

    customer_id: UUID | None
    order_id: UUID | None

    @property
    def conditions(self) -> list[Any]:
        conditions: list[Any] = [col(Notification.told_at).is_not(None)]
        if self.customer_id is not None:
            conditions.append(col(Notification.customer_id) == self.customer_id)
        if self.order_id is not None:
            conditions.append(col(Notification.order_id) == self.order_id)
        return conditions


async def page(tx: Session, scope: Scope, unread: bool | None, position: Position) -> Slice[Notification]:
    statement = select(Notification).where(*scope.conditions)
    if unread is not None:
        read_at = col(Notification.read_at)
        statement = statement.where(read_at.is_(None) if unread else read_at.is_not(None))
    return await keyset(tx, statement, position, Notification.created_at, Notification.id)


async def count_unread(tx: Session, scope: Scope) -> int:
    statement = select(func.count()).select_from(Notification)
    return (await tx.exec(statement.where(*scope.conditions, col(Notification.read_at).is_(None)))).one()


async def lock(tx: Session, id: UUID, customer_id: UUID) -> Notification | None:
    """The user's own notification, held until the transaction ends; None for somebody else's."""
    own = [col(Notification.id) == id, *Scope(customer_id, None).conditions]
    return (await tx.exec(select(Notification).where(*own).with_for_update())).first()


async def mark_all_read(tx: Session, customer_id: UUID) -> int:
    """How many were unread."""
    unread = [*Scope(customer_id, None).conditions, col(Notification.read_at).is_(None)]
    marked = await tx.exec(update(Notification).where(*unread).values(read_at=utcnow()))
    return marked.rowcount
