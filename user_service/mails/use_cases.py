"""Enqueues mails, and checks the tokens that their readers send back."""

from datetime import timedelta
from uuid import UUID

from service_kit.clock import utcnow
from service_kit.database import Session
from service_kit.database.signals import signal
from user_service.accounts import queries as accounts
from user_service.base import hash_of, pruning
from user_service.emails import EmailAddress
from user_service.mails import queries
from user_service.mails.models import Mail, MailToken, Purpose, TokenNotGood
from user_service.settings import Settings

MOST_LINKS = 10
"""How many mails one request for links may cause, since anyone can make guests with any address."""
NOTICE_LIFETIME = timedelta(days=7)
MAILS_REQUESTED = "mails-asked-for"
"""The signal that wakes the job, since there are mails to send."""


def enqueue(tx: Session, purpose: Purpose, email: str, account_id: UUID | None) -> None:
    """Stores a mail, which the job sends after the commit if the account exists."""
    tx.add(Mail(purpose=purpose, email=email, account_id=account_id))
    signal(tx, MAILS_REQUESTED)


def lifetime_of(purpose: Purpose, settings: Settings) -> timedelta:
    """How long the token of a mail is valid, or a notice is worth sending."""
    if purpose.is_notice:
        return NOTICE_LIFETIME
    if purpose == Purpose.RESET_PASSWORD:
        return timedelta(minutes=settings.password_reset_minutes)
    return timedelta(hours=settings.verify_email_hours)


async def enqueue_links(tx: Session, address: EmailAddress) -> None:
    """Enqueues a mail to each of the newest guests with this address."""
    for guest in await accounts.guests_with(tx, address, MOST_LINKS):
        enqueue(tx, Purpose.GUEST_LINK, guest.guest_email or address.text, guest.id)


async def find(tx: Session, token: str, purpose: Purpose) -> MailToken:
    """The stored row of a token that the reader of a mail sent back. Raises: TokenNotGood."""
    found = await queries.find_token(tx, hash_of(token), purpose, utcnow())
    if found is None:
        raise TokenNotGood
    return found


async def use(tx: Session, token: str, purpose: Purpose) -> None:
    """Invalidates the token, and all others of its account for this purpose. The account must be locked.

    Raises: TokenNotGood."""
    found = await find(tx, token, purpose)
    await queries.delete_for(tx, MailToken, found.account_id, [purpose])


async def forget_tokens(tx: Session, account_id: UUID, *purposes: Purpose) -> None:
    """Invalidates tokens that were mailed for these purposes, and deletes such mails that were not sent yet."""
    await queries.delete_for(tx, Mail, account_id, purposes)
    await queries.delete_for(tx, MailToken, account_id, purposes)


prune = pruning((MailToken.expires_at, timedelta(0)))
