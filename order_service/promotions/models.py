"""Promotions, codes and redemptions. Every limit is a check constraint on a counter, so that no race can exceed it."""

from collections.abc import Collection, Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import BigInteger, CheckConstraint, Column, Index, LargeBinary, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from order_service.base import Base
from order_service.pricing import promotions as pricing
from order_service.pricing.promotions import Stage
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.problems import Problem, ValidationFailed

USES_EXHAUSTED = "ck_promotion_uses_used"
CODE_EXHAUSTED = "ck_promotion_codes_used"
CUSTOMER_EXHAUSTED = "ck_promotion_customers_used"


class PromotionStatus(StrEnum):
    """`draft`: it is being prepared, and applies to no order."""

    DRAFT = "draft"
    ACTIVE = "active"
    ENDED = "ended"


MAX_LIVE, MAX_CODES = 500, 10_000
"""How many promotions can be active, and how many codes are made at once."""
LIMITS = frozenset({"use_limit", "use_limit_per_customer"})
CHANGEABLE = LIMITS | {"name", "ends_at", "priority"}
"""What can be changed of an active promotion."""
FIELDS = {"use_limit": "limit", "use_limit_per_customer": "limit_per_customer"}
"""Columns that the API names otherwise."""
NO_LIMIT = (
    "can't be given for an automatic promotion: every order of the shop would wait for its counter. Use a code instead"
)
PRICED = TypeAdapter(pricing.Promotion)


class PromotionActive(Problem, status=409, type="promotion-active"):
    """An active promotion keeps {fields}, and a limit can be raised or lowered, but not added or removed: end it, and
    create another."""


class PromotionEnded(Problem, status=409, type="promotion-ended"):
    """The promotion has ended, and can't be changed or begun again: create another."""


class PromotionNotDraft(Problem, status=409, type="promotion-not-draft"):
    """The promotion is {promotion_status}: only a draft can be deleted, since orders name the others."""


class PromotionNotActive(Problem, status=409, type="promotion-not-active"):
    """The promotion is a draft: only one that is active can be ended. Drafts can be deleted."""


class CodeTaken(Problem, status=409, type="code-taken"):
    """The code {code} belongs to another promotion, which may have ended: choose another code."""


class CodesNotAllowed(Problem, status=409, type="codes-not-allowed"):
    """An automatic promotion applies without a code, and can have none: create another promotion."""


class LimitBelowUsed(Problem, status=409, type="limit-below-used"):
    """The promotion was used more often than {limit} times already."""


class TooManyPromotions(Problem, status=409, type="too-many-promotions"):
    """There can be {limit} active promotions at most, since each is looked at for every order: end one first."""


class Promotion(Base, table=True):
    """As `pricing.promotions.Promotion`, with effect, scope and conditions as it has them."""

    __tablename__ = "promotions"
    __table_args__ = (
        CheckConstraint("status IN ('draft', 'active', 'ended')", name="status"),
        CheckConstraint("stage IN ('lines', 'order', 'shipping')", name="stage"),
        CheckConstraint("NOT automatic OR (use_limit IS NULL AND use_limit_per_customer IS NULL)", name="limits"),
        CheckConstraint("ends_at > starts_at", name="period"),
        Index("ix_promotions_status_id", "status", "id"),
        Index(
            "ix_promotions_to_forget",
            "ended_at",
            postgresql_where=text("status = 'ended' AND forgotten_at IS NULL"),
        ),
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
    code: str | None = Field(
        default=None, description="the code that all customers share; it is in `promotion_codes` too"
    )
    use_limit: int | None = Field(default=None, sa_type=BigInteger)
    use_limit_per_customer: int | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    ended_at: datetime | None = Field(default=None, description="when it was ended, or `ends_at` passed")
    forgotten_at: datetime | None = Field(default=None, description="when the keys of its customers were deleted")
    version: int = 1
    created_at: datetime = Field(default_factory=utcnow)

    def is_over(self, now: datetime) -> bool:
        return self.status == PromotionStatus.ENDED or (self.ends_at is not None and self.ends_at <= now)

    def priced(self) -> pricing.Promotion:
        """As `pricing` applies it."""
        return PRICED.validate_python(self.model_dump())

    def check(self) -> None:
        """Raises: ValidationFailed, if `pricing` would never apply it, or in another way than it reads."""
        if found := [
            {"field": field, "in": "body", "message": message}
            for is_wrong, field, message in self._faults()
            if is_wrong
        ]:
            raise ValidationFailed.naming(found)

    def _faults(self) -> Iterable[tuple[bool, str, str]]:
        """Rules that concern several fields: whether it is broken, the field, and what to do."""
        stage, kind = self.stage, self.effect["kind"]
        yield kind == "free_shipping" and stage != Stage.SHIPPING, "stage", "must be shipping for free_shipping"
        yield kind == "buy_get" and stage != Stage.LINES, "stage", "must be lines for buy_get"
        yield (
            bool(self.effect.get("each")) and stage != Stage.LINES,
            "stage",
            "must be lines for an amount off each piece",
        )
        is_limited = self.use_limit is not None or self.use_limit_per_customer is not None
        yield self.automatic and is_limited, "limit", NO_LIMIT
        yield self.automatic and self.code is not None, "code", "can't be given for an automatic promotion"
        ends_too_early = self.starts_at and self.ends_at and self.ends_at <= self.starts_at
        yield bool(ends_too_early), "ends_at", "must be after starts_at"

    def check_change(self, changes: Collection[str], emptied: Collection[str], now: datetime) -> None:
        """`emptied`: the fields that would have no value. What customers were promised doesn't change under them. A
        limit that began or ended while orders are placed would count some of them and not others.

        Raises: PromotionEnded, PromotionActive."""
        if self.is_over(now):
            raise PromotionEnded
        if self.status != PromotionStatus.ACTIVE:
            return
        switched = {name for name in LIMITS if getattr(self, name) is None or name in emptied}
        if fixed := set(changes) - CHANGEABLE | set(changes) & switched:
            raise PromotionActive(fields=sorted(FIELDS.get(name, name) for name in fixed))


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
    """A code that an order was placed with, until the use is released, which happens once at most."""

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
    released_at: datetime | None = None


class CodeGuess(Base, table=True):
    """An unknown code that somebody has entered; `who`: an account or a client network."""

    __tablename__ = "code_guesses"
    __table_args__ = (Index("ix_code_guesses_who_at", "who", "at"),)

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    who: str
    at: datetime = Field(default_factory=utcnow, index=True)
