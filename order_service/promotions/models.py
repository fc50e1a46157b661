"""Promotions, codes and redemptions. Every limit is a check constraint on a counter, so that no race can exceed it."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, LargeBinary, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from order_service.base import Base
from service_kit.clock import utcnow
from service_kit.ids import uuid7

USES_EXHAUSTED = "ck_promotion_uses_used"
CODE_EXHAUSTED = "ck_promotion_codes_used"
CUSTOMER_EXHAUSTED = "ck_promotion_customers_used"


class PromotionStatus(StrEnum):
    """`draft`: it is being prepared, and applies to no order."""

    DRAFT = "draft"
    ACTIVE = "active"
    ENDED = "ended"


class Promotion(Base, table=True):
    """As `pricing.promotions.Promotion`, with effect, scope and conditions as it has them."""

    __tablename__ = "promotions"
    __table_args__ = (
        CheckConstraint("status IN ('draft', 'active', 'ended')", name="status"),
        CheckConstraint("stage IN ('lines', 'order', 'shipping')", name="stage"),
        CheckConstraint("NOT automatic OR (use_limit IS NULL AND use_limit_per_customer IS NULL)", name="limits"),
        CheckConstraint("ends_at > starts_at", name="period"),
        Index("ix_promotions_status_id", "status", "id"),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    name: str
    status: str = PromotionStatus.DRAFT
    stage: str
    effect: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    scope: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSONB, nullable=False))
    conditions: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSONB, nullable=False))
    automatic: bool = False
    priority: int = 0
    stops: bool = False
    use_limit: int | None = Field(default=None, sa_type=BigInteger)
    use_limit_per_customer: int | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    version: int = 1
    created_at: datetime = Field(default_factory=utcnow)


class PromotionUses(Base, table=True):
    """How often a promotion was used; a row only if it has a limit. It is apart from `promotions`, so that orders with
    the promotion and changes of it don't wait for each other."""

    __tablename__ = "promotion_uses"
    __table_args__ = (CheckConstraint("used BETWEEN 0 AND most", name="used"),)

    promotion_id: UUID = Field(primary_key=True, foreign_key="promotions.id")
    used: int = Field(default=0, sa_type=BigInteger)
    most: int = Field(sa_type=BigInteger)


class PromotionCode(Base, table=True):
    """A code, in capitals; `most` None: only the promotion's own limits count."""

    __tablename__ = "promotion_codes"
    __table_args__ = (
        CheckConstraint("used BETWEEN 0 AND most", name="used"),
        Index("ix_promotion_codes_promotion_id", "promotion_id", "code"),
    )

    code: str = Field(primary_key=True)
    promotion_id: UUID = Field(foreign_key="promotions.id")
    used: int = Field(default=0)
    most: int | None = None


class PromotionCustomer(Base, table=True):
    """How often a customer used a promotion with a limit per customer. `customer_key` is a keyed hash of their e-mail
    address, so that a second account with the address does not start again."""

    __tablename__ = "promotion_customers"
    __table_args__ = (CheckConstraint("used BETWEEN 0 AND most", name="used"),)

    promotion_id: UUID = Field(primary_key=True)
    customer_key: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    used: int
    most: int


class Redemption(Base, table=True):
    """A code that an order was placed with, until the use is given back, which happens once at most."""

    __tablename__ = "redemptions"
    __table_args__ = (
        Index("ix_redemptions_promotion_id", "promotion_id", "order_id"),
        Index("ix_redemptions_customer_key", "customer_key", postgresql_where=text("customer_key IS NOT NULL")),
    )

    order_id: UUID = Field(primary_key=True)
    promotion_id: UUID = Field(primary_key=True)
    code: str
    customer_key: bytes | None = Field(default=None, sa_type=LargeBinary)
    amount: int = Field(sa_type=BigInteger)
    at: datetime
    given_back_at: datetime | None = None
