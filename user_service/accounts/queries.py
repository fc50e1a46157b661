"""Every statement about accounts."""

from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, String, func, literal, literal_column, or_
from sqlalchemy.orm import Mapped
from sqlmodel import col, select

from contracts.permissions import Role
from service_kit.database import Session
from service_kit.database.containing import contains
from service_kit.database.keyset import Position, Slice, keyset
from user_service.accounts.models import SEARCHED, Account
from user_service.emails import KEY, EmailAddress

S = TypeVar("S", bound=Any)
_KEY: ColumnElement[str] = literal_column(KEY.format("accounts.email"), String)
_GUEST_KEY: ColumnElement[str] = literal_column(KEY.format("accounts.guest_email"), String)
_NFKC: ColumnElement[str] = literal_column("NFKC", String)


async def by_id(tx: Session, account_id: UUID) -> Account | None:
    return await tx.get(Account, account_id)


def with_address(statement: S, address: EmailAddress) -> S:
    """Selects the account with this address in any spelling.

    Of accounts whose addresses collide, it selects the one with exactly the typed text, else the oldest.
    """
    exactly = [col(Account.email) == text for text in (address.typed, address.text)]
    order: list[ColumnElement[Any]] = [match.desc() for match in exactly]
    order += [col(Account.created_at).asc(), col(Account.id).asc()]
    found: S = statement.where(or_(_key_of(address) == _KEY, exactly[0])).order_by(*order).limit(1)
    return found


async def by_email(tx: Session, address: EmailAddress) -> Account | None:
    return (await tx.exec(with_address(select(Account), address))).first()


async def id_and_email(tx: Session, address: EmailAddress) -> tuple[UUID, str] | None:
    """Reads two columns only: building an `Account` takes measurably longer, which would reveal that it exists."""
    return (await tx.exec(with_address(select(Account.id, Account.email), address))).first()


async def is_taken(tx: Session, address: EmailAddress, *, by_other_than: UUID | None = None) -> bool:
    statement = select(Account.id).where(_key_of(address) == _KEY, col(Account.id).is_distinct_from(by_other_than))
    return (await tx.exec(statement.limit(1))).first() is not None


async def colliding_with(tx: Session, account: Account) -> list[Account]:
    """Locks and returns the other accounts with this address in another spelling. It reads all that collide, a few."""
    if not account.collides:
        return []
    key = EmailAddress.of(account.email).key
    statement = select(Account).where(col(Account.collides), col(Account.id) != account.id).order_by(col(Account.id))
    found = (await tx.exec(statement.with_for_update())).all()
    return [other for other in found if EmailAddress.of(other.email).key == key]


async def lock(tx: Session, account_id: UUID, *, shared: bool = False) -> Account | None:
    """Locks the account until the transaction ends, so that its events are published in the order of its versions.

    `shared`: other transactions may take a shared lock too, but none may change the account."""
    return (await tx.exec(select(Account).where(Account.id == account_id).with_for_update(read=shared))).first()


async def lock_both(tx: Session, first: UUID, second: UUID) -> dict[UUID, Account]:
    """Locks two accounts in ascending order, to avoid deadlocks."""
    statement = select(Account).where(col(Account.id).in_([first, second])).order_by(col(Account.id)).with_for_update()
    return {account.id: account for account in (await tx.exec(statement)).all()}


async def lock_admins(tx: Session) -> list[Account]:
    """Locks and returns all active Admins, so that two can't remove each other at the same time."""
    return await lock_holders(tx, Role.ADMIN, col(Account.active))


async def lock_holders(tx: Session, role: str, *conditions: Mapped[bool]) -> list[Account]:
    statement = select(Account).where(col(Account.roles).contains([role]), *conditions)
    return list((await tx.exec(statement.order_by(col(Account.id)).with_for_update())).all())


async def count_holders(tx: Session, name: str) -> int:
    statement = select(func.count(col(Account.id))).where(col(Account.roles).contains([name]))
    return (await tx.exec(statement)).one()


async def guests_with(tx: Session, address: EmailAddress, limit: int) -> list[Account]:
    """The active guests with this address in any spelling, the newest first."""
    statement = select(Account).where(_key_of(address) == _GUEST_KEY, col(Account.active))
    return list((await tx.exec(statement.order_by(col(Account.id).desc()).limit(limit))).all())


def _key_of(address: EmailAddress) -> ColumnElement[str]:
    return func.lower(func.normalize(literal(address.text, String), _NFKC))


async def search(
    tx: Session, position: Position, *, text: str | None, role: str | None, active: bool | None, colliding: bool | None
) -> Slice[Account]:
    statement = select(Account)
    if text:
        # An address is stored in its normal form; the search text may be another spelling of it.
        spellings = {text, EmailAddress.of(text).text}
        found = [contains(SEARCHED, spelling) for spelling in sorted(spellings)]
        statement = statement.where(or_(*found, _key_of(EmailAddress.of(text)) == _GUEST_KEY))
    if role:
        statement = statement.where(col(Account.roles).contains([role]))
    if active is not None:
        statement = statement.where(Account.active == active)
    if colliding is not None:
        statement = statement.where(col(Account.collides) if colliding else ~col(Account.collides))
    return await keyset(tx, statement, position, Account.created_at, Account.id)
