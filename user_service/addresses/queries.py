"""Every statement about addresses; each is restricted to one account."""

from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select

from service_kit.database import Session
from service_kit.database.keyset import Position, Slice, keyset
from user_service.addresses.models import SavedAddress


async def of_account(tx: Session, account_id: UUID, position: Position) -> Slice[SavedAddress]:
    statement = select(SavedAddress).where(SavedAddress.account_id == account_id)
    return await keyset(tx, statement, position, SavedAddress.id)


async def count(tx: Session, account_id: UUID) -> int:
    """How many addresses the account has. Lock the account first, so that parallel requests can't exceed the limit."""
    return (await tx.exec(select(func.count(col(SavedAddress.id))).where(SavedAddress.account_id == account_id))).one()


async def lock(tx: Session, account_id: UUID, address_id: UUID) -> SavedAddress | None:
    statement = select(SavedAddress).where(SavedAddress.id == address_id, SavedAddress.account_id == account_id)
    return (await tx.exec(statement.with_for_update())).first()
