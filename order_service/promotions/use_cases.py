"""Creates, changes, begins and ends promotions, and makes their codes."""

import secrets
import string
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from order_service.promotions import queries
from order_service.promotions.models import (
    MAX_LIVE,
    CodesNotAllowed,
    CodeTaken,
    LimitBelowUsed,
    Promotion,
    PromotionEnded,
    PromotionNotActive,
    PromotionNotDraft,
    PromotionStatus,
    TooManyPromotions,
)
from service_kit import concurrency
from service_kit.clock import utcnow
from service_kit.concurrency import Expected
from service_kit.database import Session
from service_kit.problems import not_found

ALPHABET = "".join(sorted({*string.ascii_uppercase, *string.digits} - {*"ILO01"}))
"""Without characters that look alike."""
RANDOM_LENGTH = 12
"""Characters of a code that are random: 59 bits, so that no one finds a code by guessing."""


async def create(tx: Session, fields: Mapping[str, Any]) -> Promotion:
    """A draft. Raises: ValidationFailed, CodeTaken."""
    promotion = Promotion(**fields)
    promotion.check()
    tx.add(promotion)
    await tx.flush()
    await _set_code(tx, promotion, None)
    await _set_limit(tx, promotion)
    return promotion


async def change(tx: Session, promotion_id: UUID, expected: Expected, fields: Mapping[str, Any]) -> Promotion:
    """Raises: NotFound, PreconditionFailed, ValidationFailed, PromotionActive, PromotionEnded, CodeTaken,
    CodesNotAllowed, LimitBelowUsed."""
    promotion = await _lock(tx, promotion_id, expected)
    former_code = promotion.code
    changes = {name for name, value in fields.items() if getattr(promotion, name) != value}
    promotion.check_change(changes, {name for name, value in fields.items() if value is None}, utcnow())
    concurrency.change(promotion, fields)
    promotion.check()
    await tx.flush()
    if promotion.code != former_code:
        await _set_code(tx, promotion, former_code)
    if promotion.automatic and await queries.HAS_CODES.fetchval(tx, promotion_id=promotion_id):
        raise CodesNotAllowed
    if "use_limit" in changes:
        await _set_limit(tx, promotion)
    return promotion


async def activate(tx: Session, promotion_id: UUID, expected: Expected) -> Promotion:
    """Raises: NotFound, PreconditionFailed, PromotionEnded, TooManyPromotions."""
    live = await queries.count_live(tx, now := utcnow())
    promotion = await _lock(tx, promotion_id, expected)
    if promotion.is_over(now):
        raise PromotionEnded
    if promotion.status == PromotionStatus.DRAFT:
        if live >= MAX_LIVE:
            raise TooManyPromotions(limit=MAX_LIVE)
        concurrency.change(promotion, {"status": PromotionStatus.ACTIVE})
    return promotion


async def end(tx: Session, promotion_id: UUID, expected: Expected) -> Promotion:
    """Orders that were placed keep what it took off. Raises: NotFound, PreconditionFailed, PromotionNotActive."""
    promotion = await _lock(tx, promotion_id, expected)
    if promotion.status == PromotionStatus.DRAFT:
        raise PromotionNotActive
    if promotion.status == PromotionStatus.ACTIVE:
        now = utcnow()
        at = min(now, promotion.ends_at or now)
        concurrency.change(promotion, {"status": PromotionStatus.ENDED, "ended_at": at})
    return promotion


async def delete(tx: Session, promotion_id: UUID, expected: Expected) -> None:
    """Raises: NotFound, PreconditionFailed, PromotionNotDraft."""
    promotion = await _lock(tx, promotion_id, expected)
    if promotion.status != PromotionStatus.DRAFT:
        raise PromotionNotDraft(promotion_status=promotion.status)
    await queries.DELETE_CODES.execute(tx, promotion_id=promotion_id)
    await queries.DELETE_LIMIT.execute(tx, promotion_id=promotion_id)
    await tx.delete(promotion)


async def make_codes(tx: Session, promotion_id: UUID, count: int, prefix: str | None, limit: int) -> list[str]:
    """New codes, each of which `limit` orders can use. Raises: NotFound, PromotionEnded, CodesNotAllowed."""
    promotion = await _lock(tx, promotion_id, Expected())
    if promotion.is_over(utcnow()):
        raise PromotionEnded
    if promotion.automatic:
        raise CodesNotAllowed
    start = f"{prefix}-" if prefix else ""
    made: list[str] = []
    while missing := count - len(made):
        codes = sorted(start + _random() for _ in range(missing))  # locked in this order
        added = await queries.ADD_CODES.fetch(tx, promotion_id=promotion_id, codes=codes, most=limit)
        made += [code for (code,) in added]
    return made


def _random() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))


async def _lock(tx: Session, promotion_id: UUID, expected: Expected) -> Promotion:
    promotion = await queries.lock(tx, promotion_id) or not_found(Promotion, promotion_id)
    expected.check(promotion.version)
    return promotion


async def _set_code(tx: Session, promotion: Promotion, former: str | None) -> None:
    """Raises: CodeTaken."""
    if former is not None:
        await queries.DELETE_CODE.execute(tx, promotion_id=promotion.id, code=former)
    if promotion.code is None:
        return
    if not await queries.ADD_CODES.fetch(tx, promotion_id=promotion.id, codes=[promotion.code], most=None):
        raise CodeTaken(code=promotion.code)


async def _set_limit(tx: Session, promotion: Promotion) -> None:
    """Raises: LimitBelowUsed, by the check constraint, which orders placed meanwhile can't get around."""
    if promotion.use_limit is None:
        await queries.DELETE_LIMIT.execute(tx, promotion_id=promotion.id)
        return
    try:
        await queries.SET_LIMIT.execute(tx, promotion_id=promotion.id, most=promotion.use_limit)
    except IntegrityError as error:
        raise LimitBelowUsed(limit=promotion.use_limit) from error
