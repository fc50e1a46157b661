"""Copies of other services' data; each row has the `version` of its source."""

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import BigInteger, Boolean, Column, Index, Text, Uuid, literal_column, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field

from contracts.pricing import NO_GROUPS, holds, unit_price
from order_service.base import Base


class CatalogueProduct(Base, table=True):
    """`status` is the product service's, or `deleted`; the row stays, so that an older snapshot can't revive it."""

    __tablename__ = "catalogue_products"

    product_id: UUID = Field(primary_key=True)
    sku: str = Field(index=True)
    name: str
    status: str
    prices: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    facts: dict[str, Any] = Field(
        default_factory=dict, sa_column=Column(JSONB, nullable=False, server_default="{}"), description="as in `Facts`"
    )
    version: int = Field(sa_type=BigInteger)


class StockLevel(Base, table=True):
    """For carts, and for the limits on unpaid orders. It never decides whether an order's stock can be reserved."""

    __tablename__ = "stock_levels"

    product_id: UUID = Field(primary_key=True)
    available: int = Field(sa_type=BigInteger)
    on_hand: int | None = Field(default=None, sa_type=BigInteger, description="null: no level was received yet")
    version: int = Field(sa_type=BigInteger)


CUSTOMER_COLUMNS: tuple[Column[Any], ...] = (
    Column("email", Text),
    Column("name", Text),
    Column("email_verified", Boolean),
    Column("groups", ARRAY(Uuid), nullable=False, server_default="{}"),
)
"""Columns of the table `account_status`, for customers and staff: API clients and erased accounts have no
`email`. `groups`: the ids of the account's customer groups."""


EMAIL_KEY = "lower(normalize({}, NFKC))"
"""SQL that gives one value for all spellings of an e-mail address, as in the user service."""
CUSTOMER_NAME = "fold(name)"
"""The indexed expression that a search for a name uses. Migration 0111 creates `fold`: without case and accents."""
CUSTOMER_INDEXES = (
    Index("ix_account_status_email_key", text(EMAIL_KEY.format("email"))),
    Index(
        "ix_account_status_name",
        literal_column(CUSTOMER_NAME).label("searched"),
        postgresql_using="gin",
        postgresql_ops={"searched": "gin_trgm_ops"},
    ),
)


@dataclass(frozen=True, slots=True)
class Price:
    """A unit price for at least `min_quantity` pieces, valid from `starts_at` until before `ends_at`."""

    amount: int
    currency: str
    min_quantity: int
    starts_at: datetime
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class GroupPrice(Price):
    """A price for the customers of one group."""

    customer_group: UUID


PRICES = TypeAdapter(tuple[Price, ...])


@lru_cache(maxsize=4096)
def _prices(stored: str) -> tuple[Price, ...]:
    """Cached, since the same products are read from the database for many orders."""
    return PRICES.validate_json(stored)


@dataclass(frozen=True, slots=True)
class Facts:
    """What taxes, shipping, promotions and the prices of groups depend on. `category_path`: the product's category and
    all above it."""

    tax_class: str = "standard"
    weight_g: int | None = None
    category_path: frozenset[UUID] = frozenset()
    family_id: UUID | None = None
    group_prices: tuple[GroupPrice, ...] = ()


NO_FACTS = Facts()
FACTS = TypeAdapter(Facts)


@lru_cache(maxsize=4096)
def _facts(stored: str) -> Facts:
    """Cached as `_prices` is."""
    return FACTS.validate_json(stored)


@dataclass(frozen=True, slots=True)
class Product:
    """The data of a product that orders and carts need."""

    id: UUID
    sku: str
    name: str
    status: str
    prices: tuple[Price, ...]
    facts: Facts = NO_FACTS

    @classmethod
    def of(cls, row: Any) -> "Product":
        """From a row with the columns of the catalogue, its prices and facts as text."""
        words = (row["product_id"], row["sku"], row["name"], row["status"])
        return cls(*words, _prices(row["prices"]), _facts(row["facts"]))

    @property
    def orderable(self) -> bool:
        return self.status == "active"

    def currencies(self, quantity: int, now: datetime, groups: Set[UUID] = NO_GROUPS) -> set[str]:
        """In which it has a price for a customer of these groups."""
        own = (price for price in self.facts.group_prices if price.customer_group in groups)
        return {price.currency for price in (*self.prices, *own) if holds(price, quantity, now)}

    def unit_price(self, quantity: int, currency: str, now: datetime, groups: Set[UUID] = NO_GROUPS) -> int | None:
        """For a customer of these groups."""
        return unit_price(self.prices, quantity, currency, now, self.facts.group_prices, groups)
