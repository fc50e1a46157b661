"""Every statement about counted attempts and known networks."""

from uuid import UUID

from sqlalchemy import delete
from sqlmodel import col

from service_kit.clock import utcnow
from service_kit.database import Session, Statement, Transaction
from user_service.throttle.models import Bucket, KnownAddress

# One statement checks and counts, under the lock of the row, so that parallel attempts see each other. The time must be
# read after the wait for the lock, by clock_timestamp(); now() is the start of the transaction.
TAKE = Statement("""
INSERT INTO tries AS bucket (key, full_until) VALUES (:key, clock_timestamp() + :interval::interval)
ON CONFLICT (key) DO UPDATE SET full_until = greatest(bucket.full_until, clock_timestamp()) + :interval::interval
WHERE greatest(bucket.full_until, clock_timestamp()) + :interval::interval <= clock_timestamp() + :longest::interval
RETURNING full_until
""")
FULL_UNTIL = Statement("SELECT full_until FROM tries WHERE key = :key")
UNDO = Statement("UPDATE tries SET full_until = full_until - :interval::interval WHERE key = :key")
REMEMBER = Statement("""
INSERT INTO known_addresses (account_id, address, last_seen_at) VALUES (:account_id, :address, now())
ON CONFLICT (account_id, address) DO UPDATE SET last_seen_at = excluded.last_seen_at
""")
KNOWN = Statement("""
SELECT coalesce(bool_or(address = :address), false), count(*) > 0 FROM known_addresses WHERE account_id = :account_id
""")


async def known_address(tx: Session, account_id: UUID, address: str) -> tuple[bool, bool]:
    """Whether the account signed in from this network in the last 90 days, and whether from any."""
    from_here, from_any = await KNOWN.fetchrow(tx, account_id=account_id, address=address)
    return from_here, from_any


async def take(tx: Transaction, bucket: Bucket) -> None:
    """Counts one attempt. Raises: TooManyRequests, which rolls back the counts of the transaction in other buckets."""
    limit = bucket.limit
    longest = limit.interval * limit.burst
    if await TAKE.fetchrow(tx, key=bucket.key, interval=limit.interval, longest=longest) is None:
        full_until = await FULL_UNTIL.fetchval(tx, key=bucket.key)
        raise limit.rejection(full_until or utcnow())


async def undo_attempts(tx: Session, counted_in: list[Bucket]) -> None:
    """Undoes the count of an attempt, since its password was right."""
    for bucket in counted_in:
        await UNDO.execute(tx, key=bucket.key, interval=bucket.limit.interval)


async def remember(tx: Session, account_id: UUID, address: str) -> None:
    await REMEMBER.execute(tx, account_id=account_id, address=address)


async def delete_known_addresses(tx: Session, account_id: UUID) -> None:
    await tx.exec(delete(KnownAddress).where(col(KnownAddress.account_id) == account_id))
