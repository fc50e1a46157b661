"""Every statement about passwords."""

from sqlmodel import col, select

from service_kit.database import Session
from user_service.accounts.models import Account
from user_service.accounts.queries import with_address
from user_service.emails import EmailAddress
from user_service.throttle.models import KnownAddress


async def account_and_whether_known(tx: Session, email: EmailAddress, address: str) -> tuple[Account | None, bool]:
    """The account with this e-mail address, and whether it signed in from this network before (`throttle.network_of`).
    It is one statement, so that the time does not reveal whether the account exists."""
    known = (col(KnownAddress.account_id) == Account.id) & (col(KnownAddress.address) == address)
    statement = select(Account, KnownAddress.address).join(KnownAddress, known, isouter=True)
    found = (await tx.exec(with_address(statement, email))).first()
    return (found[0], found[1] is not None) if found else (None, False)
