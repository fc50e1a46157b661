"""Every statement about tries and known addresses."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete
from sqlmodel import col

from service_kit.clock import utcnow
from service_kit.database import Session, Transaction
from service_kit.database.sessions import fetch
from user_service.throttle.models import AttemptBucket, Bucket, KnownAddress

# One statement looks and counts, so that of two at once the second sees the first: the row is held meanwhile. The clock
# is the server's and goes on while it waits for that.
TAKE = """
INSERT INTO tries AS bucket (key, full_until) VALUES ($1, clock_timestamp() + $2::interval)
ON CONFLICT (key) DO UPDATE SET full_until = greatest(bucket.full_until, clock_timestamp()) + $2::interval
WHERE greatest(bucket.full_until, clock_timestamp()) + $2::interval <= clock_timestamp() + $3::interval
RETURNING full_until
"""
REFUND = "UPDATE tries SET full_until = full_until - $2::interval WHERE key = $1"
REMEMBER = """
INSERT INTO known_addresses (account_id, address, last_seen_at) VALUES ($1, $2, now())
ON CONFLICT (account_id, address) DO UPDATE SET last_seen_at = excluded.last_seen_at
"""


KNOWN = "SELECT coalesce(bool_or(address = $2), false), count(*) > 0 FROM known_addresses WHERE account_id = $1"


async def known_address(tx: Session, account_id: UUID, address: str) -> tuple[bool, bool]:
    """Whether the account was signed in to from this address lately, and whether from any."""
    [row] = await fetch(tx, KNOWN, account_id, address)
    return row[0], row[1]


async def take(tx: Transaction, bucket: Bucket) -> None:
    """Counts one try. Raises: TooManyRequests; what the transaction took out of other buckets goes back with it."""
    limit = bucket.limit
    if await tx.fetchval(TAKE, bucket.key, limit.interval, limit.interval * limit.at_once) is None:
        full_until = await tx.fetchval("SELECT full_until FROM tries WHERE key = $1", bucket.key)
        raise limit.rejection(full_until or utcnow())


async def return_attempts(tx: Session, bucket: Bucket) -> None:
    await fetch(tx, REFUND, bucket.key, bucket.limit.interval)


async def remember(tx: Session, account_id: UUID, address: str) -> None:
    await fetch(tx, REMEMBER, account_id, address)


async def forget(tx: Session, account_id: UUID) -> None:
    await tx.exec(delete(KnownAddress).where(col(KnownAddress.account_id) == account_id))


async def delete_full(tx: Session, now: datetime) -> None:
    await tx.exec(delete(AttemptBucket).where(col(AttemptBucket.full_until) < now))


async def delete_unseen(tx: Session, before: datetime) -> None:
    await tx.exec(delete(KnownAddress).where(col(KnownAddress.last_seen_at) < before))
