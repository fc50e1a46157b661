"""Topic `products`: snapshots of the catalogue."""

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, StrictInt

from contracts.events.base import Event
from contracts.money import Currency
from contracts.topics import PRODUCTS


class ScheduledPrice(BaseModel, frozen=True):
    """A unit price from `min_quantity` pieces on, between `starts_at` and before `ends_at` (None: without end)."""

    amount: StrictInt = Field(ge=0, description="in the currency's minor unit")
    currency: Currency
    min_quantity: int = Field(default=1, ge=1)
    starts_at: AwareDatetime
    ends_at: AwareDatetime | None = None


class ProductEvent(Event, topic=PRODUCTS, source="/product_service", key="product_id", subject="product_id"):
    """What every event about a product carries."""

    product_id: UUID


class ProductChanged(ProductEvent, type="mart.product.changed.v1"):
    """The product as it is now, with all its prices; published by product after each change of either."""

    sku: str
    name: str
    slug: str
    status: Literal["draft", "active", "archived"]
    category_id: UUID | None = None
    prices: list[ScheduledPrice]


class ProductDeleted(ProductEvent, type="mart.product.deleted.v1", terminal=True):
    """A product without history was deleted; published by product, the terminal event of this id."""
