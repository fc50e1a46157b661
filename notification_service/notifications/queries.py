"""Every statement about notifications."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, update
from sqlmodel import col, select

from notification_service.deliveries.models import NOT_VERIFIED
from notification_service.notifications.kinds import Kind
from notification_service.notifications.models import Notification
from notification_service.notifications.wording import Words
from service_kit.clock import utcnow
from service_kit.database import HotTx, Tx
from service_kit.database.keyset import Position, Slice, keyset
from service_kit.database.signals import signal
from service_kit.ids import uuid7


@dataclass(frozen=True, slots=True)
class News:
    """One event to tell one customer of."""

    event_id: UUID
    customer_id: UUID
    kind: Kind
    order_id: UUID
    facts: dict[str, Any]
    words: Words
    happened_at: datetime


# From the rows of `told` to the e-mails of those who want them. An unverified address gets none, and the log says so.
# Nobody is asked by mail to pay what pays by itself (`facts_of`).
# Of a run of failed payments (until an order is paid, or another one placed) the first is mailed; the inbox has all.
_DELIVERIES = f"""
INSERT INTO deliveries (id, notification_id, event_id, customer_id, kind, channel, address, status, error, attempts,
                        next_attempt_at, created_at)
SELECT uuidv7(), told.id, told.event_id, told.customer_id, told.kind, 'email', recipient.email,
       CASE WHEN recipient.email_verified THEN 'pending' ELSE 'withheld' END,
       CASE WHEN NOT recipient.email_verified THEN '{NOT_VERIFIED}' END, 0, now(), now()
FROM told
JOIN recipients AS recipient USING (customer_id)
LEFT JOIN preferences USING (customer_id)
WHERE told.told_at IS NOT NULL AND (told.kind = ANY (preferences.email_off)) IS NOT TRUE AND NOT told.pays_by_itself
  AND (told.kind <> 'payment.failed' OR (
      SELECT before.kind FROM (
          SELECT kind, created_at, id FROM notifications WHERE customer_id = told.customer_id
          UNION ALL
          SELECT kind, created_at, id FROM told AS others WHERE others.customer_id = told.customer_id
      ) AS before
      WHERE before.kind IN ('payment.failed', 'order.placed', 'order.paid')
        AND (before.created_at, before.id) < (told.created_at, told.id)
      ORDER BY before.created_at DESC, before.id DESC LIMIT 1
  ) IS DISTINCT FROM 'payment.failed')
"""
TELL = f"""
WITH told AS (
    INSERT INTO notifications (id, event_id, customer_id, kind, order_id, title, body, facts, created_at, told_at)
    SELECT news.*, CASE WHEN recipient.email IS NOT NULL THEN now() END
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::jsonb[],
                $9::timestamptz[])
         AS news (id, event_id, customer_id, kind, order_id, title, body, facts, created_at)
    JOIN recipients AS recipient ON recipient.customer_id = news.customer_id AND NOT recipient.erased
    ON CONFLICT (event_id) DO NOTHING
    RETURNING id, event_id, customer_id, kind, told_at, created_at, facts ? 'pays_by_itself' AS pays_by_itself
)
{_DELIVERIES}
"""
TELL_WHAT_WAITED = f"""
WITH told AS (
    UPDATE notifications SET told_at = now()
    FROM recipients AS known
    WHERE notifications.customer_id = ANY ($1) AND notifications.told_at IS NULL
      AND known.customer_id = notifications.customer_id AND known.email IS NOT NULL
    RETURNING notifications.id, notifications.event_id, notifications.customer_id, notifications.kind,
              notifications.told_at, notifications.created_at, facts ? 'pays_by_itself' AS pays_by_itself
)
{_DELIVERIES}
"""


DELIVERIES_DUE = "deliveries-due"
"""A signal: there are messages for the job to send."""


async def tell(tx: HotTx, news: Sequence[News]) -> None:
    """Inbox rows and e-mails for the whole batch, one of each per event, however often it comes.

    The recipients must be held (`recipients.queries.hold`): the statement decides by what it reads of them.
    """
    inserted = await tx.execute(
        TELL,
        [uuid7() for _ in news],
        [each.event_id for each in news],
        [each.customer_id for each in news],
        [each.kind.value for each in news],
        [each.order_id for each in news],
        [each.words.title for each in news],
        [each.words.body for each in news],
        [json.dumps(each.facts) for each in news],
        [each.happened_at for each in news],
    )
    if inserted != "INSERT 0 0":
        signal(tx, DELIVERIES_DUE)


async def tell_what_waited(tx: HotTx, customer_ids: Sequence[UUID]) -> None:
    """Shows these users, who are known by now, what happened before they were."""
    await tx.execute(TELL_WHAT_WAITED, customer_ids)
    signal(tx, DELIVERIES_DUE)


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


async def page(tx: Tx, scope: Scope, unread: bool | None, position: Position) -> Slice[Notification]:
    statement = select(Notification).where(*scope.conditions)
    if unread is not None:
        read_at = col(Notification.read_at)
        statement = statement.where(read_at.is_(None) if unread else read_at.is_not(None))
    return await keyset(tx, statement, position, Notification.created_at, Notification.id)


async def count_unread(tx: Tx, scope: Scope) -> int:
    statement = select(func.count()).select_from(Notification)
    return (await tx.exec(statement.where(*scope.conditions, col(Notification.read_at).is_(None)))).one()


async def lock(tx: Tx, id: UUID, customer_id: UUID) -> Notification | None:
    """The user's own notification, held until the transaction ends; None for somebody else's."""
    own = [col(Notification.id) == id, *Scope(customer_id, None).conditions]
    return (await tx.exec(select(Notification).where(*own).with_for_update())).first()


async def mark_all_read(tx: Tx, customer_id: UUID) -> int:
    """How many were unread."""
    unread = [*Scope(customer_id, None).conditions, col(Notification.read_at).is_(None)]
    marked = await tx.exec(update(Notification).where(*unread).values(read_at=utcnow()))
    return marked.rowcount
