"""Every statement about notifications."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from notification_service.deliveries import queries as deliveries
from notification_service.kinds import MAIL_ONLY
from notification_service.notifications.models import Notification
from service_kit.clock import utcnow
from service_kit.database import Session, Statement, Transaction, rows
from service_kit.database.keyset import Position, Slice, keyset, matching
from service_kit.database.signals import signal

# A notification becomes visible (`told_at`) when the e-mail address of its customer is known.
_KNOWN = "recipient.email IS NOT NULL"
_GIVEN = [name for name in Notification.model_fields if name not in ("told_at", "read_at")]
_ADDED = "notifications.*, notifications.facts ? 'pays_by_itself' AS pays_by_itself"
ADD = Statement(f"""
WITH added AS (
    INSERT INTO notifications ({", ".join(_GIVEN)}, told_at)
    SELECT new.*, CASE WHEN {_KNOWN} THEN now() END FROM {rows("new", Notification, *_GIVEN)}
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
      AND recipient.customer_id = notifications.customer_id AND {_KNOWN}
    RETURNING {_ADDED}
)
{deliveries.INSERT}
""")

MARK_ALL_READ = Statement("""
UPDATE notifications SET read_at = :now
WHERE customer_id = :customer_id AND told_at IS NOT NULL AND read_at IS NULL AND kind <> ALL (:mail_only::text[])
""")


async def add(tx: Transaction, new: Sequence[Notification]) -> None:
    """Adds notifications and their deliveries, once for each event, even if it arrives again.

    The recipients must be locked (`recipients.queries.lock`), since what is added depends on them.
    """
    if await ADD.execute(tx, new=new):
        signal(tx, deliveries.DUE)


async def add_waiting(tx: Transaction, customer_ids: Sequence[UUID]) -> None:
    """Makes notifications visible that arrived before their customers were known, and adds their deliveries."""
    if await ADD_WAITING.execute(tx, customer_ids=customer_ids):
        signal(tx, deliveries.DUE)


def visible(customer_id: UUID | None, order_id: UUID | None = None) -> SelectOfScalar[Notification]:
    """Selects the visible notifications of one customer and one order. None: of any."""
    is_visible = col(Notification.told_at).is_not(None) & col(Notification.kind).not_in(MAIL_ONLY)
    return matching(Notification, customer_id=customer_id, order_id=order_id).where(is_visible)


async def page(
    tx: Session, statement: SelectOfScalar[Notification], unread: bool | None, position: Position
) -> Slice[Notification]:
    if unread is not None:
        read_at = col(Notification.read_at)
        statement = statement.where(read_at.is_(None) if unread else read_at.is_not(None))
    return await keyset(tx, statement, position, Notification.created_at, Notification.id)


async def count_unread(tx: Session, statement: SelectOfScalar[Notification]) -> int:
    unread = statement.where(col(Notification.read_at).is_(None))
    return (await tx.exec(select(func.count()).select_from(unread.subquery()))).one()


async def lock(tx: Session, id: UUID, customer_id: UUID) -> Notification | None:
    """Locks a visible notification of this customer until the transaction ends."""
    return (await tx.exec(visible(customer_id).where(Notification.id == id).with_for_update())).first()


async def mark_all_read(tx: Session, customer_id: UUID) -> int:
    """Returns how many notifications were unread before."""
    return await MARK_ALL_READ.execute(tx, customer_id=customer_id, now=utcnow(), mail_only=list(MAIL_ONLY))
