"""What orders are found by, beside the columns of `orders`: filled by a job, so that placing an order costs no more."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self
from uuid import UUID

from sqlalchemy import BigInteger, Index, literal_column
from sqlmodel import Field

from order_service.base import Base
from order_service.orders.models import PaymentStatus, Status

RECIPIENT = "fold(recipient)"
"""The indexed expression that a search for a name uses. Migration 0111 creates `fold`: without case and accents."""


class OrderSearch(Base, table=True):
    """An order as searches find it. `recipient` and `country` follow its shipping address; the rest never changes."""

    __tablename__ = "order_search"
    __table_args__ = (
        Index(
            "ix_order_search_recipient",
            literal_column(RECIPIENT).label("searched"),
            postgresql_using="gin",
            postgresql_ops={"searched": "gin_trgm_ops"},
        ),
        Index("ix_order_search_country_order_id", "country", "order_id"),
        Index("ix_order_search_currency_total", "currency", "total", "order_id"),
    )

    order_id: UUID = Field(primary_key=True)
    recipient: str | None = Field(default=None, description="the name in the shipping address; null: erased")
    country: str
    currency: str
    total: int = Field(sa_type=BigInteger)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The filters of a search, all of which an order must meet; None or empty: no filter. Amounts are in the minor unit
    of `currency`."""

    customer_id: UUID | None = None
    statuses: Sequence[Status] = ()
    number: int | None = None
    stuck: bool | None = None
    email: str | None = None
    name: str | None = None
    product_id: UUID | None = None
    sku: str | None = None
    placed_from: datetime | None = None
    placed_before: datetime | None = None
    total_from: int | None = None
    total_to: int | None = None
    currency: str | None = None
    country: str | None = None
    payment_statuses: Sequence[PaymentStatus] = ()
    tag: str | None = None

    @property
    def is_for_staff(self) -> bool:
        """Whether it has a filter that only staff may use."""
        public = ("customer_id", "statuses", "number")
        return any(getattr(self, name) not in (None, ()) for name in self.__slots__ if name not in public)

    def only_of(self, customer_id: UUID) -> Self:
        return replace(self, customer_id=customer_id)
