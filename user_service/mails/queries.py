"""Every statement about mails and their tokens."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, delete, func, or_
from sqlmodel import col, select

from service_kit import queue
from service_kit.database import Connection, Session, Statement
from user_service.accounts.models import Account
from user_service.mails.models import Mail, MailToken, Purpose

QUEUE = queue.Queue("mails", has_error=False)
CLAIM = QUEUE.claim("""
SELECT claimed.id, claimed.purpose, claimed.email, claimed.attempts, claimed.next_attempt_at AS held_until,
       claimed.created_at, account.id AS account_id,
       coalesce(account.guest_email, account.email) AS account_email, account.email_verified
FROM claimed LEFT JOIN accounts AS account ON account.active
     AND account.id = coalesce(claimed.account_id, (SELECT id FROM accounts AS found WHERE found.email = claimed.email))
ORDER BY claimed.created_at
""")
# `forget_tokens` deletes mails first, then tokens. The lock on the mail keeps a token from being added between the two.
KEEP = Statement("""
WITH mail AS (SELECT purpose, email FROM mails WHERE id = :mail_id FOR KEY SHARE)
INSERT INTO mail_tokens (token_hash, account_id, purpose, email, created_at, expires_at)
SELECT :token_hash, account.id, mail.purpose, mail.email, now(), :expires_at
FROM mail JOIN accounts AS account ON account.id = :account_id
""")
FINISH = Statement("DELETE FROM mails WHERE id = ANY (:outcome[].row.id::uuid[])")
DROP = Statement("DELETE FROM mail_tokens WHERE token_hash = :token_hash")


@dataclass(frozen=True)
class Claimed(queue.Claimed):
    """A mail that this process may send, and its active account, if there is one."""

    purpose: Purpose
    email: str
    created_at: datetime
    account_id: UUID | None
    account_email: str | None
    email_verified: bool | None


async def claim(connection: Connection, limit: int, lease: timedelta) -> list[Claimed]:
    """The mails that are due; no other process sends them during the lease."""
    found = await CLAIM.fetch(connection, limit=limit, lease=lease)
    return [Claimed(**{**row, "purpose": Purpose(row["purpose"])}) for row in found]


async def finish(connection: Connection, outcomes: Sequence[queue.Outcome[Claimed]], _: datetime) -> None:
    """Deletes the mails, also those that were not sent: the outcome is final."""
    await FINISH.execute(connection, outcome=outcomes)


async def keep_token(
    connection: Connection, token_hash: bytes, mail_id: UUID, account_id: UUID, expires_at: datetime
) -> bool:
    """Stores the token. Returns False if the account was erased or the mail deleted in the meantime."""
    return bool(
        await KEEP.execute(
            connection, token_hash=token_hash, mail_id=mail_id, account_id=account_id, expires_at=expires_at
        )
    )


async def drop_token(connection: Connection, token_hash: bytes) -> None:
    await DROP.execute(connection, token_hash=token_hash)


async def find_token(tx: Session, token_hash: bytes, purpose: Purpose, now: datetime) -> MailToken | None:
    """Finds a valid token. Unless it is for a change of the address, it must have been mailed to the account's present
    address."""
    statement = select(MailToken).where(
        MailToken.token_hash == token_hash, MailToken.purpose == purpose, MailToken.expires_at > now
    )
    if purpose != Purpose.CHANGE_EMAIL:
        address = func.coalesce(Account.guest_email, Account.email)
        present = select(address).where(Account.id == MailToken.account_id).scalar_subquery()
        statement = statement.where(func.coalesce(MailToken.email, present) == present)
    return (await tx.exec(statement)).first()


async def delete_for(
    tx: Session, table: type[Mail] | type[MailToken], account_id: UUID, purposes: Collection[Purpose]
) -> None:
    await tx.exec(delete(table).where(col(table.account_id) == account_id, col(table.purpose).in_(purposes)))


async def delete_all(tx: Session, account_id: UUID, email: str) -> None:
    """Deletes all mails to this account that are not sent yet, and those to its address that belong to no account."""
    of_nobody = and_(col(Mail.account_id).is_(None), col(Mail.email) == email)
    await tx.exec(delete(Mail).where(or_(col(Mail.account_id) == account_id, of_nobody)))
