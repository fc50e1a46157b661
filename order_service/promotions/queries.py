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
SELECT r.order_id, o.number::text AS number, r.code, r.amount, o.currency, r.at, r.given_back_at
FROM redemptions r JOIN orders o ON o.id = r.order_id
WHERE r.promotion_id = :promotion_id AND (:after::uuid IS NULL OR r.order_id > :after)
ORDER BY r.order_id LIMIT :limit
""")
USES = Statement("""
SELECT count(*) FILTER (WHERE r.given_back_at IS NULL) AS used, count(r.given_back_at) AS given_back,
       (SELECT most FROM promotion_uses WHERE promotion_id = :promotion_id) AS "limit",
       (SELECT most - used FROM promotion_uses WHERE promotion_id = :promotion_id) AS "left",
       (SELECT count(*) FROM promotion_codes WHERE promotion_id = :promotion_id) AS codes
FROM redemptions r WHERE r.promotion_id = :promotion_id
""")


class Redeemed(NamedTuple):
    """A redemption, with what is shown of its order."""

    order_id: UUID
    number: str
    code: str
    amount: int
    currency: str
    at: datetime
    given_back_at: datetime | None


class Uses(NamedTuple):
    """How often a promotion was used; the limit and what is left of it are null without one."""

    used: int
    given_back: int
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
