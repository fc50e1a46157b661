"""Verifies that an account's owner reads the mails to its e-mail address."""

from service_kit.database import Session
from service_kit.problems import not_found
from user_service.accounts import queries as accounts
from user_service.accounts.models import Account, AlreadyVerified
from user_service.audit.models import Action, Actor, Origin
from user_service.audit.use_cases import record
from user_service.emails import EmailAddress
from user_service.mails import use_cases as mails
from user_service.mails.models import Purpose, TokenNotGood
from user_service.roles.snapshots import publish
from user_service.throttle.use_cases import Throttle


async def resend(tx: Session, throttle: Throttle, actor: Actor) -> None:
    """Enqueues another mail with a code. Raises: NotFound, GuestAccount, AlreadyVerified,
    TooManyRequests."""
    account = await accounts.by_id(tx, actor.id) or not_found(Account, actor.id)
    account.check_registered()
    if account.email_verified:
        raise AlreadyVerified
    await throttle.mail(EmailAddress.of(account.email), actor)
    mails.enqueue(tx, Purpose.VERIFY_EMAIL, account.email, account.id)


async def verify(tx: Session, token: str, origin: Origin) -> None:
    """Confirms the address that the token was mailed to. Raises: TokenNotGood."""
    account = await accounts.lock(tx, (await mails.find(tx, token, Purpose.VERIFY_EMAIL)).account_id)
    await mails.use(tx, token, Purpose.VERIFY_EMAIL)
    if account is None:
        raise TokenNotGood
    await mark_verified(tx, account, origin)


async def mark_verified(tx: Session, account: Account, origin: Origin) -> None:
    """Marks the account's address as confirmed, if it is not yet. The account must be locked."""
    if account.change(email_verified=True):
        await publish(tx, account)
        record(tx, origin, Action.EMAIL_VERIFIED, account.id)
