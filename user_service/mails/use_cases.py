"""Asking for a mail, and showing what it said."""

from datetime import timedelta
from uuid import UUID

from service_kit.clock import utcnow
from service_kit.database import Session
from service_kit.database.signals import signal
from service_kit.runtime import Runtime
from user_service.base import hash_of
from user_service.mails import queries
from user_service.mails.models import Mail, MailToken, Purpose, TokenNotGood
from user_service.settings import Settings

NOTICE_LIFETIME = timedelta(days=7)
MAILS_REQUESTED = "mails-asked-for"
"""A signal: there are mails for the job to send."""


def enqueue(tx: Session, purpose: Purpose, email: str, account_id: UUID | None) -> None:
    """The mail goes out after the commit, if there is such an account."""
    tx.add(Mail(purpose=purpose, email=email, account_id=account_id))
    signal(tx, MAILS_REQUESTED)


def lifetime_of(purpose: Purpose, settings: Settings) -> timedelta:
    """How long what a mail says is good for, or of use."""
    if purpose.is_notice:
        return NOTICE_LIFETIME
    if purpose in (Purpose.VERIFY_EMAIL, Purpose.CHANGE_EMAIL):
        return timedelta(hours=settings.verify_email_hours)
    return timedelta(minutes=settings.password_reset_minutes)


async def find(tx: Session, token: str, purpose: Purpose) -> MailToken:
    """What is stored of a token that the reader of a mail shows. Raises: TokenNotGood."""
    found = await queries.find_token(tx, hash_of(token), purpose, utcnow())
    if found is None:
        raise TokenNotGood
    return found


async def use(tx: Session, token: str, purpose: Purpose) -> None:
    """Makes the token invalid, and all others that its account was mailed for this purpose. The account must be locked.

    Raises: TokenNotGood."""
    found = await find(tx, token, purpose)
    await queries.delete_for(tx, MailToken, found.account_id, [purpose])


async def forget_tokens(tx: Session, account_id: UUID, *purposes: Purpose) -> None:
    """Codes that were mailed for these purposes are invalid, and what was not sent yet is not sent."""
    await queries.delete_for(tx, Mail, account_id, purposes)
    await queries.delete_for(tx, MailToken, account_id, purposes)


async def prune(runtime: Runtime) -> None:
    async with runtime.database.session() as tx:
        await queries.delete_expired(tx, utcnow())
