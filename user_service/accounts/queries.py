"""Every statement about accounts."""

from uuid import UUID

from sqlalchemy import func, or_
from sqlmodel import col, select

from contracts.permissions import Role
from service_kit.database import Tx
from service_kit.database.keyset import Position, Slice, keyset
from user_service.accounts.models import Account


async def by_id(tx: Tx, account_id: UUID) -> Account | None:
    return await tx.get(Account, account_id)


async def by_email(tx: Tx, email: str) -> Account | None:
    return (await tx.exec(select(Account).where(Account.email == email.lower()))).first()


async def id_by_email(tx: Tx, email: str) -> UUID | None:
    """No more than that: making an account of the row would take a time that tells that there is one."""
    return (await tx.exec(select(Account.id).where(Account.email == email.lower()))).first()


async def lock(tx: Tx, account_id: UUID) -> Account | None:
    """The account, held until the transaction ends, so that its events go out in the order of its versions."""
    return (await tx.exec(select(Account).where(Account.id == account_id).with_for_update())).first()


async def hold(tx: Tx, account_id: UUID) -> Account | None:
    """The account, which nobody changes until the transaction ends; several may hold it."""
    return (await tx.exec(select(Account).where(Account.id == account_id).with_for_update(read=True))).first()


async def lock_admins(tx: Tx) -> list[Account]:
    """All active Admins, held, so that two can't remove each other at the same time."""
    statement = select(Account).where(col(Account.roles).contains([Role.ADMIN]), col(Account.active))
    return list((await tx.exec(statement.order_by(col(Account.id)).with_for_update())).all())


async def lock_holders(tx: Tx, role: str) -> list[Account]:
    statement = select(Account).where(col(Account.roles).contains([role]))
    return list((await tx.exec(statement.order_by(col(Account.id)).with_for_update())).all())


async def search(
    tx: Tx, position: Position, *, text: str | None, role: str | None, active: bool | None
) -> Slice[Account]:
    statement = select(Account)
    if text:
        pattern = f"%{text.lower()}%"
        statement = statement.where(or_(col(Account.email).like(pattern), func.lower(Account.full_name).like(pattern)))
    if role:
        statement = statement.where(col(Account.roles).contains([role]))
    if active is not None:
        statement = statement.where(Account.active == active)
    return await keyset(tx, statement, position, Account.created_at, Account.id, descending=True)
