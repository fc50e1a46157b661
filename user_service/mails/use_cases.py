"""Asking for a mail, and showing what it said."""

import hashlib
import secrets
from datetime import timedelta
from uuid import UUID

from service_kit.clock import utcnow
from service_kit.database import Tx
from service_kit.runtime import Runtime
from user_service.mails import queries
from user_service.mails.models import Mail, Purpose, TokenNotGood
from user_service.settings import Settings


def ask_for(tx: Tx, purpose: Purpose, email: str) -> None:
    """The mail goes out after the commit, if the address is somebody's."""
    tx.add(Mail(purpose=purpose, email=email.lower()))


def lifetime_of(purpose: Purpose, settings: Settings) -> timedelta:
    """How long what a mail says is good for."""
    if purpose == Purpose.VERIFY_EMAIL:
        return timedelta(hours=settings.verify_email_hours)
    return timedelta(minutes=settings.password_reset_minutes)


def new_token() -> str:
    return secrets.token_urlsafe(32)


def hash_of(token: str) -> bytes:
    """SHA-256 is enough: the token has 256 random bits, there is nothing to guess."""
    return hashlib.sha256(token.encode(errors="replace")).digest()


async def whose(tx: Tx, token: str, purpose: Purpose) -> UUID:
    """The account that the token was mailed to. Raises: TokenNotGood."""
    found = await queries.find_token(tx, hash_of(token), purpose, utcnow())
    if found is None:
        raise TokenNotGood
    return found.account_id


async def use(tx: Tx, token: str, purpose: Purpose) -> UUID:
    """As `whose`, and it was the last time: also for what was mailed beside it. The account must be held."""
    account_id = await whose(tx, token, purpose)
    await queries.delete_tokens(tx, account_id, purpose)
    return account_id


async def forget(tx: Tx, email: str) -> None:
    """What was not sent yet to this address is not sent."""
    await queries.delete_to(tx, email)


async def forget_tokens(tx: Tx, account_id: UUID, purpose: Purpose) -> None:
    await queries.delete_tokens(tx, account_id, purpose)


async def prune(runtime: Runtime) -> None:
    async with runtime.database.tx() as tx:
        await queries.delete_expired(tx, utcnow())
