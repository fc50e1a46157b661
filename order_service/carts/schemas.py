"""Bodies of requests and answers about carts."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from contracts.money import Money
from order_service.base import MAX_QUANTITY
from service_kit.schemas import RequestBody
from service_kit.security.tokens import MAX_TOKEN_LENGTH


class QuantityIn(RequestBody):
    quantity: int = Field(ge=1, le=MAX_QUANTITY, examples=[2])


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
    added_at: datetime


class CartOut(BaseModel):
    """`total` counts the items that have a price; null: none has. Send it as `expected_total`, and `version` as
    `cart_version`, when the cart is ordered."""

    version: int = Field(description="grows with every change of the cart; also its `ETag`")
    items: list[CartItemOut]
    total: Money | None
