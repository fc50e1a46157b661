"""Every statement about guests alone."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, text
from sqlmodel import col, select

from service_kit.database import Session, Statement
from user_service.accounts.models import WITHOUT_EMAIL, Account
from user_service.sessions.models import UserSession

# The oldest ones, as many as the address book has room for.
MOVE_ADDRESSES = Statement("""
UPDATE addresses SET account_id = :into WHERE id IN (
    SELECT id FROM addresses WHERE account_id = :from_id ORDER BY id
    LIMIT greatest(0, :most::int - (SELECT count(*) FROM addresses WHERE account_id = :into)))
""")


async def lock_unused(tx: Session, before: datetime, limit: int) -> list[Account]:
    """Locks guests without an e-mail address that were made before this time and not used since."""
    used = select(func.count()).where(UserSession.account_id == Account.id, UserSession.last_used_at >= before)
    statement = select(Account).where(text(WITHOUT_EMAIL), col(Account.created_at) < before)
    statement = statement.where(used.scalar_subquery() == 0).order_by(col(Account.created_at)).limit(limit)
    return list((await tx.exec(statement.with_for_update(skip_locked=True))).all())


async def move_addresses(tx: Session, from_id: UUID, into: UUID, most: int) -> None:
    await MOVE_ADDRESSES.execute(tx, from_id=from_id, into=into, most=most)
