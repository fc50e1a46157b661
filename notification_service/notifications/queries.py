"""Every statement about notifications."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import func, update
from sqlmodel import col, select

from notification_service.channels import INBOX
from notification_service.deliveries import queries as deliveries
from notification_service.notifications.models import Notification
from service_kit.clock import utcnow
from service_kit.database import Session, Statement, Transaction, rows
from service_kit.database.keyset import Position, Slice, keyset
from service_kit.database.signals import signal

_GIVEN = [name for name in Notification.model_fields if name not in ("told_at", "read_at")]
_ADDED = "notifications.*, notifications.facts ? 'pays_by_itself' AS pays_by_itself"
ADD = Statement(f"""
WITH added AS (
    INSERT INTO notifications ({", ".join(_GIVEN)}, told_at)
    SELECT new.*, CASE WHEN {INBOX.takes} THEN now() END FROM {rows("new", Notification, *_GIVEN)}
    JOIN recipients AS recipient ON recipient.customer_id = new.customer_id AND NOT recipient.erased
    ON CONFLICT (event_id) DO NOTHING
    RETURNING {_ADDED}
)
{deliveries.INSERT}
""")
ADD_WAITING = Statement(f"""
WITH added AS (
    UPDATE notifications SET told_at = now()
    FROM recipients AS recipient
    WHERE notifications.customer_id = ANY (:customer_ids) AND notifications.told_at IS NULL
      AND recipient.customer_id = notifications.customer_id AND {INBOX.takes}
    RETURNING {_ADDED}
)
{deliveries.INSERT}
""")


async def add(tx: Transaction, new: Sequence[Notification]) -> None:
    """Inbox rows and e-mails for the whole batch, one of each per event, however often it comes.

    The recipients must be held (`recipients.queries.hold`): the statement decides by what it reads of them.
    """
    if await ADD.execute(tx, new=new):
        signal(tx, deliveries.DUE)


async def add_waiting(tx: Transaction, customer_ids: Sequence[UUID]) -> None:
    """Shows these users, who are known now, what happened before they were."""
    if await ADD_WAITING.execute(tx, customer_ids=customer_ids):
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
