"""Asking for a mail, and showing what it said."""

import hashlib
import secrets
from datetime import timedelta
from uuid import UUID

from service_kit.clock import utcnow
from service_kit.database import Session
from service_kit.database.signals import signal
from service_kit.runtime import Runtime
from user_service.mails import queries
from user_service.mails.models import Mail, Purpose, TokenNotGood
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


def new_token() -> str:
    return secrets.token_urlsafe(32)


def hash_of(token: str) -> bytes:
    """SHA-256 is enough: the token has 256 random bits, there is nothing to guess."""
    return hashlib.sha256(token.encode(errors="replace")).digest()


async def account_of(tx: Session, token: str, purpose: Purpose) -> UUID:
    """The account that the token was mailed to. Raises: TokenNotGood."""
    found = await queries.find_token(tx, hash_of(token), purpose, utcnow())
    if found is None:
        raise TokenNotGood
    return found.account_id


async def use(tx: Session, token: str, purpose: Purpose) -> UUID:
    """As `account_of`, and it was the last time: also for what was mailed beside it. The account must be held."""
    account_id = await account_of(tx, token, purpose)
    await queries.delete_tokens(tx, account_id, [purpose])
    return account_id


async def mailed_to(tx: Session, token: str, purpose: Purpose, account_id: UUID) -> str:
    """The address that this token of the account was mailed to. Raises: TokenNotGood."""
    found = await queries.find_token(tx, hash_of(token), purpose, utcnow())
    if found is None or found.account_id != account_id or found.email is None:
        raise TokenNotGood
    return found.email


async def forget(tx: Session, account_id: UUID, email: str) -> None:
    """What was not sent yet to this account, or to this address, is not sent."""
    await queries.delete_all(tx, account_id, email)


async def forget_tokens(tx: Session, account_id: UUID, *purposes: Purpose) -> None:
    """Codes that were mailed for these purposes are invalid, and what was not sent yet is not sent."""
    await queries.delete_mails(tx, account_id, purposes)
    await queries.delete_tokens(tx, account_id, purposes)


async def prune(runtime: Runtime) -> None:
    async with runtime.database.session() as tx:
        await queries.delete_expired(tx, utcnow())
