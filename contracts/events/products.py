"""Topic `products`: snapshots of the catalogue."""

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, StrictInt

from contracts.events.base import Event
from contracts.money import Currency
from contracts.topics import PRODUCTS


class ScheduledPrice(BaseModel, frozen=True):
    """A unit price for `min_quantity` pieces or more, from `starts_at` until before `ends_at` (null: without end)."""

    amount: StrictInt = Field(ge=0, description="in the currency's minor unit")
    currency: Currency
    min_quantity: int = Field(default=1, ge=1)
    starts_at: AwareDatetime
    ends_at: AwareDatetime | None = None


class GroupPrice(ScheduledPrice, frozen=True):
    """A price for the customers of one group. Within a tier it goes before the public ones; nobody else may have it."""

    customer_group: UUID


class ProductEvent(Event, topic=PRODUCTS, source="/product_service", key="product_id", subject="product_id"):
    """The base class of events about a product."""

    product_id: UUID


class ProductChanged(ProductEvent, type="mart.product.changed.v1"):
    """The product as it is now, with all prices that apply now or later; published by product when either changes."""

    sku: str
    name: str
    slug: str
    status: Literal["draft", "active", "archived"]
    category_id: UUID | None = None
    family_id: UUID | None = Field(default=None, description="the family whose other products differ in options only")
    tax_class: str = Field(default="standard", description="the order service knows its rates")
    weight_g: int | None = Field(default=None, description="of one piece, in grams; null: not known")
    category_path: list[UUID] = Field(default_factory=list, description="the category and all above it")
    prices: list[ScheduledPrice]
    group_prices: list[GroupPrice] = Field(
        default_factory=list, description="never among `prices`, which a consumer that doesn't know groups sells at"
    )


class ProductDeleted(ProductEvent, type="mart.product.deleted.v1", terminal=True):
    """A product that was never on sale was deleted; published by product as the terminal event of this id."""
