"""Bodies of requests and answers about carts."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from contracts.money import Money
from order_service.base import MAX_QUANTITY
from order_service.pricing.promotions import MOST_CODES
from order_service.pricing.schemas import Code, QuoteOut
from service_kit.schemas import RequestBody
from service_kit.security.tokens import MAX_TOKEN_LENGTH


class QuantityIn(RequestBody):
    quantity: int = Field(ge=1, le=MAX_QUANTITY, examples=[2])


class CodesIn(RequestBody):
    codes: list[Code] = Field(max_length=MOST_CODES)


class MergeIn(RequestBody):
    guest_token: Annotated[str, StringConstraints(min_length=1, max_length=MAX_TOKEN_LENGTH)] = Field(
        description="the access token of the guest whose cart is merged"
    )


class CartItemOut(BaseModel):
    """`unit_price` is today's at this quantity; null: it can't be bought as it is. `available`: null if not known."""

    product_id: UUID
    sku: str
    name: str
    quantity: int
    unit_price: Money | None
    total: Money | None
    available: int | None
    orderable: bool
    problem: Literal["unavailable", "no-price", "short"] | None = Field(
        description="why it can't be bought as it is; `short`: less than `quantity` is in stock"
    )
    added_at: datetime


class CartOut(BaseModel):
    """`total` counts the items that have a price; null: none has. Send it as `expected_total`, and `version` as
    `cart_version`, when the cart is ordered."""

    version: int = Field(description="grows with every change of the cart; also its `ETag`")
    items: list[CartItemOut]
    codes: list[str]
    total: Money | None
    quote: QuoteOut | None = Field(
        description="what the items with a price cost, with shipping and tax if the country is named"
    )
    problems: list[dict[str, Any]] = Field(
        description="why it could not be ordered as it is, besides the items' problems: as the errors of `POST /orders`"
    )
