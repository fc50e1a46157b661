"""Every statement about passwords."""

from uuid import UUID

from sqlalchemy import update
from sqlmodel import col, select

from service_kit.database import Session
from user_service.accounts.models import Account
from user_service.accounts.queries import with_address
from user_service.emails import EmailAddress
from user_service.throttle.models import KnownAddress


async def account_and_whether_known(tx: Session, email: EmailAddress, address: str) -> tuple[Account | None, bool]:
    """In one statement, so that an account which isn't there takes as long as one that is."""
    known = (col(KnownAddress.account_id) == Account.id) & (col(KnownAddress.address) == address)
    statement = select(Account, KnownAddress.address).join(KnownAddress, known, isouter=True)
    condition, order = with_address(email)
    found = (await tx.exec(statement.where(condition).order_by(*order).limit(1))).first()
    return (found[0], found[1] is not None) if found else (None, False)


async def replace_hash(tx: Session, account_id: UUID, old: str, new: str) -> bool:
    """False, and nothing is done, when the password was changed."""
    statement = update(Account).where(col(Account.id) == account_id, col(Account.password_hash) == old)
    return bool((await tx.exec(statement.values(password_hash=new))).rowcount)
