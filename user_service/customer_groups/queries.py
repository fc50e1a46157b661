"""Every statement about customer groups. A group is locked before the accounts that are its members."""

from uuid import UUID

from sqlalchemy import func
from sqlmodel import col, select

from service_kit.database import Session
from service_kit.database.keyset import Position, Slice, keyset
from user_service.accounts.models import Account
from user_service.customer_groups.models import CustomerGroup


async def page(tx: Session, position: Position) -> Slice[CustomerGroup]:
    """By name."""
    statement = select(CustomerGroup).where(col(CustomerGroup.deleted_at).is_(None))
    return await keyset(tx, statement, position, CustomerGroup.name, CustomerGroup.id)


async def find(tx: Session, group_id: UUID) -> CustomerGroup | None:
    statement = select(CustomerGroup).where(CustomerGroup.id == group_id, col(CustomerGroup.deleted_at).is_(None))
    return (await tx.exec(statement)).first()


async def lock(tx: Session, group_id: UUID, *, shared: bool = False) -> CustomerGroup | None:
    """Locks a group that is not deleted. `shared`: others may add and remove members too, but none may delete it."""
    statement = select(CustomerGroup).where(CustomerGroup.id == group_id, col(CustomerGroup.deleted_at).is_(None))
    return (await tx.exec(statement.with_for_update(read=shared))).first()


async def lock_deleted(tx: Session) -> CustomerGroup | None:
    """Locks one of the groups that are deleted and have not been removed from all accounts."""
    statement = select(CustomerGroup).where(col(CustomerGroup.deleted_at).is_not(None)).order_by(col(CustomerGroup.id))
    return (await tx.exec(statement.limit(1).with_for_update(skip_locked=True))).first()


async def members(tx: Session, group_id: UUID, position: Position) -> Slice[Account]:
    """The accounts in this group, the oldest first."""
    statement = select(Account).where(col(Account.groups).contains([group_id]))
    return await keyset(tx, statement, position, Account.created_at, Account.id)


async def lock_some_members(tx: Session, group_id: UUID, limit: int) -> list[Account]:
    """Locks members that no other transaction has locked: waiting for them, it could cause a deadlock."""
    statement = select(Account).where(col(Account.groups).contains([group_id])).order_by(col(Account.id))
    return list((await tx.exec(statement.limit(limit).with_for_update(skip_locked=True))).all())


async def count_members(tx: Session, group_id: UUID) -> int:
    return (await tx.exec(select(func.count(col(Account.id))).where(col(Account.groups).contains([group_id])))).one()
