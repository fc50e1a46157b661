"""Every statement about drafts."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import defer
from sqlmodel import col

from order_service.drafts.models import Draft, DraftStatus
from service_kit.database import AnySession, Connection, Session, Statement, Transaction, columns, insert
from service_kit.database.keyset import Position, Slice, keyset, matching
from service_kit.problems import not_found

_COLUMNS = columns(Draft)
_FIND = Statement(f"SELECT {_COLUMNS} FROM drafts WHERE id = :id")
_LOCK = Statement(f"SELECT {_COLUMNS} FROM drafts WHERE id = :id FOR UPDATE")
_INSERT = Statement(insert("added", Draft))
_SAVE = Statement("""
UPDATE drafts SET content = :draft.content::jsonb, note = :draft.note::text, status = :draft.status,
                  order_id = :draft.order_id::uuid, version = :draft.version
WHERE id = :draft.id
""")
# The same rule as in `orders.placing_read_queries`: an account is known once its data has arrived, or it was erased.
_CUSTOMER_IS_ACTIVE = Statement("""
SELECT active FROM account_status WHERE user_id = :customer_id AND (email IS NOT NULL OR erased)
""")
# A locked draft is being placed: the next run sees whether it was.
_DROP_EXPIRED = Statement("""
WITH expired AS (
    SELECT id FROM drafts WHERE status = 'open' AND expires_at <= :now
    ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED
)
UPDATE drafts SET status = 'dropped', version = version + 1 FROM expired WHERE drafts.id = expired.id
""")


async def find(db: AnySession, draft_id: UUID) -> Draft:
    """Raises: NotFound."""
    return await _FIND.fetchrow_as(db, Draft, id=draft_id) or not_found(Draft, draft_id)


async def lock(tx: Transaction, draft_id: UUID) -> Draft:
    """The draft, locked until the transaction ends, so that it is placed once. Raises: NotFound."""
    return await _LOCK.fetchrow_as(tx, Draft, id=draft_id) or not_found(Draft, draft_id)


async def add(tx: Transaction, draft: Draft) -> None:
    await _INSERT.execute(tx, added=[draft])


async def save(tx: Transaction, draft: Draft) -> None:
    """The draft must be locked."""
    await _SAVE.execute(tx, draft=draft)


async def customer_is_active(db: AnySession, customer_id: UUID) -> bool | None:
    """None: the account is not known here."""
    found: bool | None = await _CUSTOMER_IS_ACTIVE.fetchval(db, customer_id=customer_id)
    return found


async def drop_expired(db: Connection, now: datetime, limit: int) -> int:
    """Drops open drafts that have expired, at most `limit`; returns how many."""
    return await _DROP_EXPIRED.execute(db, now=now, limit=limit)


async def page(
    tx: Session, position: Position, *, status: DraftStatus | None, customer_id: UUID | None
) -> Slice[Draft]:
    """By id, which is by the time of creation (UUIDv7); without their content."""
    statement = matching(Draft, status=status, customer_id=customer_id).options(defer(Draft.content))  # type: ignore[arg-type]
    return await keyset(tx, statement, position, col(Draft.id))
