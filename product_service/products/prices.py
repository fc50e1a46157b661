"""Scheduled prices, and their rules."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, ColumnElement, Index, and_, or_, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, col

from product_service.base import Base
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.problems import Problem

MAX_LIVE_PRICES = 500
"""The limit for one product: its snapshot contains all of them, and must fit into a Kafka record."""


class PriceExists(Problem, status=409, type="price-exists"):
    """There is a price for this currency and tier that starts at the same moment already: {price_id}."""


class PriceEndsTooEarly(Problem, status=409, type="price-ends-too-early"):
    """A price must end in the future and after it has started."""


class PriceEnded(Problem, status=409, type="price-ended"):
    """The price ended at {ends_at}: what was paid stays what it was."""


class PriceScheduleFull(Problem, status=409, type="price-schedule-full"):
    """The product has {limit} prices that count or will, which is the limit: end some first."""


class UnitPrice(Base):
    """A unit price from `min_quantity` pieces on, from `starts_at` until before `ends_at`.

    Prices may overlap: of those with the same `min_quantity` (a tier), the one that started last applies. No price is
    deleted: one that is cancelled before its start ends at its start.
    """

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    product_id: UUID = Field(foreign_key="products.id", ondelete="CASCADE")
    amount: int = Field(sa_type=BigInteger)
    currency: str
    min_quantity: int
    starts_at: datetime
    ends_at: datetime | None = None
    list_id: UUID | None = Field(default=None, description="the price list that it is part of")
    created_at: datetime = Field(default_factory=utcnow)

    @classmethod
    def live(cls, now: datetime) -> ColumnElement[bool]:
        """The SQL condition of prices that apply at `now` or later."""
        ends_at = col(cls.ends_at)
        return or_(ends_at.is_(None), and_(ends_at > now, ends_at > cls.starts_at))

    @property
    def key(self) -> tuple[object, ...]:
        """Two prices that apply at some time never have the same: neither would have started last."""
        return self.currency, self.min_quantity, self.starts_at

    def check_period(self) -> None:
        """Raises: PriceEndsTooEarly."""
        if self.ends_at is not None and self.ends_at <= self.starts_at:
            raise PriceEndsTooEarly

    def end(self, at: datetime | None, now: datetime) -> None:
        """Ends the price at `at` (None: now), but neither in the past nor before its start. Raises: PriceEnded."""
        if self.ends_at is not None and self.ends_at <= max(now, self.starts_at):
            raise PriceEnded(ends_at=self.ends_at.isoformat())
        self.ends_at = max(at or now, now, self.starts_at)


_APPLIES = text("ends_at IS NULL OR ends_at > starts_at")
_IN_LIST = text("list_id IS NOT NULL")


class ScheduledPrice(UnitPrice, table=True):
    """A price for everybody."""

    __tablename__ = "prices"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("min_quantity > 0", name="min_quantity"),
        CheckConstraint("ends_at >= starts_at", name="ends_at"),
        Index(
            "uq_prices_start",
            *("product_id", "currency", "min_quantity", "starts_at"),
            unique=True,
            postgresql_where=_APPLIES,
        ),
        Index("ix_prices_product_id_starts_at", "product_id", "starts_at", "id"),
        Index("ix_prices_list_id", "list_id", "product_id", postgresql_where=_IN_LIST),
        Index("ix_prices_rule_id", "rule_id", "product_id", postgresql_where=text("rule_id IS NOT NULL")),
    )

    prior_amount: int | None = Field(default=None, sa_type=BigInteger)
    """The lowest public price of one piece shortly before the start, as `prior_prices` computes it; null: none is
    known, or the price is a tier's."""
    rule_id: UUID | None = Field(default=None, description="the price rule that has set it; null: staff have")
    why: list[dict[str, Any]] | None = Field(default=None, sa_column=Column(JSONB(none_as_null=True)))
    """The steps of the rule's calculation."""


class GroupPrice(UnitPrice, table=True):
    """A price for the customers of one group only.

    It has a table of its own, so that no statement about public prices, nor a process of a release that doesn't know
    groups, can show it to others.
    """

    __tablename__ = "group_prices"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("min_quantity > 0", name="min_quantity"),
        CheckConstraint("ends_at >= starts_at", name="ends_at"),
        Index(
            "uq_group_prices_start",
            *("product_id", "customer_group", "currency", "min_quantity", "starts_at"),
            unique=True,
            postgresql_where=_APPLIES,
        ),
        Index("ix_group_prices_product_id_starts_at", "product_id", "starts_at", "id"),
        Index("ix_group_prices_list_id", "list_id", "product_id", postgresql_where=_IN_LIST),
    )

    customer_group: UUID

    @property
    def key(self) -> tuple[object, ...]:
        return self.customer_group, *super().key


class BasePrice(Base, table=True):
    """A base price of a product, from `effective_from` until the next one of the same product.

    A trigger on `products` writes it in the transaction that sets the price, so that no change can bypass it. Rows are
    only added, and stay when a draft is deleted: a shop in the EU must show the lowest price of the last 30 days beside
    a reduced one (Directive 98/6/EC, article 6a).
    """

    __tablename__ = "base_price_history"
    __table_args__ = (Index("ix_base_price_history_product_id", "product_id", "effective_from"),)

    id: UUID = Field(primary_key=True)
    product_id: UUID
    amount: int = Field(sa_type=BigInteger)
    currency: str
    effective_from: datetime
    prior_amount: int | None = Field(default=None, sa_type=BigInteger, description="as that of a scheduled price")


class QueuedProduct(Base, table=True):
    """A product for which price rules are to be evaluated from `due_at` on. It may not exist: stock can arrive before
    it."""

    __tablename__ = "price_rule_queue"
    __table_args__ = (Index("ix_price_rule_queue_due_at", "due_at"),)

    product_id: UUID = Field(primary_key=True)
    due_at: datetime
