"""Price lists, and their rules."""

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index
from sqlmodel import Field

from product_service.base import Base
from product_service.products.prices import MAX_LIVE_PRICES, GroupPrice, PriceEndsTooEarly, ScheduledPrice, UnitPrice
from service_kit.clock import utcnow
from service_kit.ids import uuid7
from service_kit.problems import Problem


class PriceListActive(Problem, status=409, type="price-list-active"):
    """The price list is {state}: only its name can still be changed. End it, and create another."""


class PriceListEnded(Problem, status=409, type="price-list-ended"):
    """The price list is {state}: it can't be activated again. Create another."""


class PriceListNotActive(Problem, status=409, type="price-list-not-active"):
    """The price list is a draft, which has no prices to end: delete it instead."""


class PriceListEmpty(Problem, status=409, type="price-list-empty"):
    """The price list has no prices: add some before it is activated."""


class ProductUnknown(Problem, status=409, type="product-unknown"):
    """There are no products with the ids in `product_ids`. Nothing was changed."""


class ListState(StrEnum):
    DRAFT = "draft"
    ACTIVATING = "activating"
    ACTIVE = "active"
    ENDING = "ending"
    ENDED = "ended"


class PriceList(Base, table=True):
    """Prices of many products that are activated and ended together.

    A job writes or ends the prices of some products at a time. `after_id`: the last product that is done, in the order
    of ids; `done`: how many are, of `products`; `skipped`: how many of them got no price.
    """

    __tablename__ = "price_lists"
    __table_args__ = (
        CheckConstraint("state IN ('draft', 'activating', 'active', 'ending', 'ended')", name="state"),
        Index("ix_price_lists_state", "state", "id"),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    name: str
    currency: str
    customer_group: UUID | None = Field(default=None, description="whose prices these are; null: everybody's")
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    state: str = ListState.DRAFT
    after_id: UUID = Field(default=UUID(int=0))
    products: int = 0
    done: int = 0
    skipped: int = 0
    version: int = 1
    created_at: datetime = Field(default_factory=utcnow)
    updated_at: datetime = Field(default_factory=utcnow)

    def check_draft(self) -> None:
        """Raises: PriceListActive."""
        if self.state != ListState.DRAFT:
            raise PriceListActive(state=self.state)

    def activate(self, products: int, now: datetime) -> bool:
        """Returns whether its prices are to be written, which they are once. `products`: how many it has prices of.

        Raises: PriceListEnded, PriceListEmpty, PriceEndsTooEarly.
        """
        if self.state in (ListState.ENDING, ListState.ENDED):
            raise PriceListEnded(state=self.state)
        if self.state != ListState.DRAFT:
            return False
        if not products:
            raise PriceListEmpty
        self.starts_at = max(self.starts_at or now, now)
        if self.ends_at is not None and self.ends_at <= self.starts_at:
            raise PriceEndsTooEarly
        self._begin(ListState.ACTIVATING, products, now)
        return True

    def end(self, now: datetime) -> bool:
        """Returns whether its prices are to be ended, which they are once. Raises: PriceListNotActive."""
        if self.state == ListState.DRAFT:
            raise PriceListNotActive
        if self.state not in (ListState.ACTIVATING, ListState.ACTIVE):
            return False
        self._begin(ListState.ENDING, self.done, now)
        return True

    @property
    def kind(self) -> type[ScheduledPrice] | type[GroupPrice]:
        return ScheduledPrice if self.customer_group is None else GroupPrice

    def price(self, entry: "PriceListEntry", now: datetime) -> ScheduledPrice | GroupPrice:
        """The price of an entry. If the list has started already, the price starts now."""
        columns = entry.model_dump() | {
            "currency": self.currency,
            "starts_at": max(self.starts_at or now, now),
            "ends_at": self.ends_at,
        }
        if self.customer_group is not None:
            return GroupPrice(customer_group=self.customer_group, **columns)
        return ScheduledPrice(**columns)

    def _begin(self, state: ListState, products: int, now: datetime) -> None:
        self.state, self.products = state, products
        self.after_id, self.done, self.skipped = UUID(int=0), 0, 0
        self.version += 1
        self.updated_at = now


class PriceListEntry(Base, table=True):
    """The unit price of a product in a list, from `min_quantity` pieces on."""

    __tablename__ = "price_list_entries"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("min_quantity > 0", name="min_quantity"),
    )

    list_id: UUID = Field(foreign_key="price_lists.id", ondelete="CASCADE", primary_key=True)
    product_id: UUID = Field(foreign_key="products.id", ondelete="CASCADE", primary_key=True, index=True)
    min_quantity: int = Field(default=1, primary_key=True)
    amount: int = Field(sa_type=BigInteger)


def fit(price: UnitPrice, live: list[UnitPrice]) -> bool:
    """Adds the price to those of its product that apply now or later. Returns whether it can apply at all.

    If one of its tier starts at the same moment (two lists that begin at midnight), the new one starts a microsecond
    later, so that the list that was activated last applies.
    """
    taken = {each.key for each in live}
    while price.key in taken:
        price.starts_at += timedelta(microseconds=1)
    if len(live) >= MAX_LIVE_PRICES or (price.ends_at is not None and price.ends_at <= price.starts_at):
        return False
    live.append(price)
    return True
