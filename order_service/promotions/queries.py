"""Every statement about promotions, their codes and redemptions, except those of placing orders."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlmodel import select

from order_service.promotions.models import Promotion, PromotionCode, PromotionStatus
from service_kit.database import AnySession, Session, Statement
from service_kit.database.keyset import Position, Slice, keyset, matching

LOCK_ACTIVE = Statement("SELECT pg_advisory_xact_lock(0x70726f6d)")  # arbitrary; no other lock here uses this number
COUNT_LIVE = Statement("""
SELECT count(*) FROM promotions WHERE status = 'active' AND (ends_at IS NULL OR ends_at > :now)
""")
ADD_CODES = Statement("""
INSERT INTO promotion_codes (code, promotion_id, used, most)
SELECT code, :promotion_id, 0, :most FROM unnest(:codes::text[]) AS code
ON CONFLICT DO NOTHING RETURNING code
""")
DELETE_CODE = Statement("DELETE FROM promotion_codes WHERE promotion_id = :promotion_id AND code = :code")
DELETE_CODES = Statement("DELETE FROM promotion_codes WHERE promotion_id = :promotion_id")
HAS_CODES = Statement("SELECT EXISTS (SELECT FROM promotion_codes WHERE promotion_id = :promotion_id)")
SET_LIMIT = Statement("""
INSERT INTO promotion_uses (promotion_id, used, most) VALUES (:promotion_id, 0, :most)
ON CONFLICT (promotion_id) DO UPDATE SET most = excluded.most
""")
DELETE_LIMIT = Statement("DELETE FROM promotion_uses WHERE promotion_id = :promotion_id")
CODES_AFTER = Statement("""
SELECT code, used, most FROM promotion_codes WHERE promotion_id = :promotion_id AND code > :after
ORDER BY code LIMIT :limit
""")
REDEMPTIONS = Statement("""
SELECT r.order_id, o.number::text AS number, r.code, r.amount, o.currency, r.at, r.released_at
FROM redemptions r JOIN orders o ON o.id = r.order_id
WHERE r.promotion_id = :promotion_id AND (:after::uuid IS NULL OR r.order_id > :after)
ORDER BY r.order_id LIMIT :limit
""")
USES = Statement("""
SELECT count(*) FILTER (WHERE r.released_at IS NULL) AS used, count(r.released_at) AS released,
       (SELECT most FROM promotion_uses WHERE promotion_id = :promotion_id) AS "limit",
       (SELECT most - used FROM promotion_uses WHERE promotion_id = :promotion_id) AS "left",
       (SELECT count(*) FROM promotion_codes WHERE promotion_id = :promotion_id) AS codes
FROM redemptions r WHERE r.promotion_id = :promotion_id
""")
# The moment since which one of `keys` has used up its guesses: its newest but `most` - 1.
LIMIT_REACHED = Statement("""
SELECT max(reached.at) FROM unnest(:keys::text[]) AS key, LATERAL (
    SELECT g.at FROM code_guesses g WHERE g.who = key AND g.at > :since ORDER BY g.at DESC OFFSET :others LIMIT 1
) AS reached
""")
ADD_GUESSES = Statement("""
INSERT INTO code_guesses (id, who, at)
SELECT uuidv7(), key, clock_timestamp() FROM unnest(:keys::text[]) AS key, generate_series(1, :count::int)
""")
PRUNE_GUESSES = Statement("DELETE FROM code_guesses WHERE at < :before")
OVER = Statement("SELECT id FROM promotions WHERE status = 'active' AND ends_at <= :now ORDER BY id FOR UPDATE")
END = Statement("""
UPDATE promotions SET status = 'ended', ended_at = ends_at, version = version + 1
WHERE id = ANY(:ids::uuid[]) AND ends_at <= :now
""")
TO_FORGET = Statement("""
SELECT id FROM promotions WHERE status = 'ended' AND ended_at < :before AND forgotten_at IS NULL
ORDER BY ended_at LIMIT 1 FOR UPDATE SKIP LOCKED
""")
FORGOTTEN = Statement("UPDATE promotions SET forgotten_at = :now WHERE id = :promotion_id")
DELETE_CUSTOMERS = Statement("""
DELETE FROM promotion_customers WHERE (promotion_id, customer_key) IN (
    SELECT promotion_id, customer_key FROM promotion_customers WHERE promotion_id = :promotion_id
    ORDER BY customer_key LIMIT :limit)
""")
DELETE_CUSTOMER_KEYS = Statement("""
UPDATE redemptions SET customer_key = NULL WHERE (order_id, promotion_id) IN (
    SELECT order_id, promotion_id FROM redemptions WHERE promotion_id = :promotion_id AND customer_key IS NOT NULL
    ORDER BY order_id LIMIT :limit)
""")
BOOKS = {
    "promotion-uses": Statement("""
SELECT u.promotion_id, u.used, count(r.order_id)
FROM promotion_uses u LEFT JOIN redemptions r ON r.promotion_id = u.promotion_id AND r.released_at IS NULL
GROUP BY u.promotion_id HAVING u.used <> count(r.order_id) LIMIT :limit
"""),
    "promotion-codes": Statement("""
SELECT c.code, c.used, count(r.order_id) FROM promotion_codes c
LEFT JOIN redemptions r ON r.promotion_id = c.promotion_id AND r.code = c.code AND r.released_at IS NULL
WHERE c.most IS NOT NULL GROUP BY c.code HAVING c.used <> count(r.order_id) LIMIT :limit
"""),
    "promotion-customers": Statement("""
SELECT c.promotion_id, c.used, count(r.order_id) FROM promotion_customers c
LEFT JOIN redemptions r ON r.promotion_id = c.promotion_id AND r.customer_key = c.customer_key
    AND r.released_at IS NULL
GROUP BY c.promotion_id, c.customer_key HAVING c.used <> count(r.order_id) LIMIT :limit
"""),
}
"""By name: rows whose counter differs from the redemptions that were not released."""


class Redeemed(NamedTuple):
    """A redemption, with what is shown of its order."""

    order_id: UUID
    number: str
    code: str
    amount: int
    currency: str
    at: datetime
    released_at: datetime | None


class Uses(NamedTuple):
    """How often a promotion was used; the limit and what is left of it are null without one."""

    used: int
    released: int
    limit: int | None
    left: int | None
    codes: int


async def find(tx: Session, promotion_id: UUID) -> Promotion | None:
    return await tx.get(Promotion, promotion_id)


async def lock(tx: Session, promotion_id: UUID) -> Promotion | None:
    return await tx.get(Promotion, promotion_id, with_for_update=True)


async def page(tx: Session, position: Position, status: PromotionStatus | None) -> Slice[Promotion]:
    return await keyset(tx, matching(Promotion, status=status), position, Promotion.id)


async def count_live(tx: Session, now: datetime) -> int:
    """How many promotions are active. They are locked against others that begin until the transaction ends."""
    await LOCK_ACTIVE.fetch(tx)
    found: int = await COUNT_LIVE.fetchval(tx, now=now)
    return found


async def codes(tx: Session, position: Position, promotion_id: UUID) -> Slice[PromotionCode]:
    statement = select(PromotionCode).where(PromotionCode.promotion_id == promotion_id)
    return await keyset(tx, statement, position, PromotionCode.code)


async def codes_after(db: AnySession, promotion_id: UUID, after: str, limit: int) -> Sequence[Any]:
    """Rows (code, used, most), for an export in pages."""
    return await CODES_AFTER.fetch(db, promotion_id=promotion_id, after=after, limit=limit)


async def redemptions(tx: Session, position: Position, promotion_id: UUID) -> Slice[Redeemed]:
    """In the sequence of the orders."""
    after = position.values(UUID)
    found = await REDEMPTIONS.fetch_as(
        tx, Redeemed, promotion_id=promotion_id, after=after[0] if after else None, limit=position.limit + 1
    )
    return position.slice(found, lambda row: [row.order_id])


async def uses(tx: Session, promotion_id: UUID) -> Uses:
    found = await USES.fetchrow_as(tx, Uses, promotion_id=promotion_id)
    assert found is not None
    return found


async def limit_reached_since(db: AnySession, keys: Sequence[str], since: datetime, most: int) -> datetime | None:
    """When the guess was made that has to be forgotten before another one is allowed; None: one is allowed now."""
    found: datetime | None = await LIMIT_REACHED.fetchval(db, keys=list(keys), since=since, others=most - 1)
    return found
