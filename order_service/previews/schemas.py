"""Bodies of requests and responses about previews."""

from typing import Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from order_service.base import MAX_LINES, MAX_QUANTITY
from order_service.pricing.promotions import Reason
from order_service.promotions.schemas import PromotionIn
from service_kit.addresses import PostalCode, Region
from service_kit.iso_codes import Country, Currency
from service_kit.schemas import RequestBody, examples

_ID = "0199c1a0-5b00-7a10-8c00-000000000005"


class PreviewLineIn(RequestBody):
    product_id: UUID
    quantity: int = Field(ge=1, le=MAX_QUANTITY)


class DestinationIn(RequestBody):
    country: Country
    region: Region | None = None
    postal_code: PostalCode | None = None


class PreviewIn(RequestBody):
    """A promotion that exists, or one that is to be created; and a cart, or the last orders."""

    model_config = examples(
        {"promotion": {"name": "15 % off", "stage": "order", "effect": {"percent": {"rate": "0.15"}}},
         "last_orders": 100},
        {"promotion_id": _ID, "lines": [{"product_id": _ID, "quantity": 2}], "ship_to": {"country": "GB"}},
    )  # fmt: skip

    promotion: PromotionIn | None = None
    promotion_id: UUID | None = None
    lines: list[PreviewLineIn] | None = Field(default=None, min_length=1, max_length=MAX_LINES)
    ship_to: DestinationIn | None = Field(
        default=None, description="of `lines`; without it they have no shipping and tax"
    )
    currency: Currency | None = Field(default=None, description="of `lines`, if their products have prices in several")
    customer_groups: list[UUID] = Field(default=[], max_length=100, description="of the customer who orders `lines`")
    last_orders: int | None = Field(default=None, ge=1, le=100, description="how many, without those that were ended")

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if (self.promotion is None) == (self.promotion_id is None):
            raise ValueError("give either promotion or promotion_id")
        if (self.lines is None) == (self.last_orders is None):
            raise ValueError("give either lines or last_orders")
        if self.lines is None and (self.ship_to or self.currency or self.customer_groups):
            raise ValueError("ship_to, currency and customer_groups go with lines")
        return self


class PreviewedOut(BaseModel):
    """A cart or an order, without and with the promotion; amounts in minor units."""

    order_id: UUID | None = Field(description="null: the `lines` of the request")
    number: str | None
    currency: str
    before: int = Field(description="the total without the promotion")
    after: int = Field(description="the total with it")
    off: int = Field(
        description="`before` less `after`; negative if a better promotion or free shipping no longer applies"
    )
    reason: Reason | None = Field(description="why it takes nothing off; null: it does")


class SumOut(BaseModel):
    currency: str
    orders: int
    reduced: int = Field(description="how many of them it takes something off")
    before: int
    after: int
    off: int


class PreviewOut(BaseModel):
    model_config = examples(
        {"items": [{"order_id": _ID, "number": "100001", "currency": "GBP", "before": 2000, "after": 1700, "off": 300,
                    "reason": None}],
         "sums": [{"currency": "GBP", "orders": 1, "reduced": 1, "before": 2000, "after": 1700, "off": 300}]}
    )  # fmt: skip

    items: list[PreviewedOut] = Field(description="the newest order first")
    sums: list[SumOut] = Field(description="one for each currency")
