"""Request and response bodies of price lists."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, model_validator

from product_service.price_lists.models import ListState
from product_service.products.schemas import MAX_AMOUNT
from product_service.text import Line
from service_kit.iso_codes import Currency
from service_kit.schemas import RequestBody, RowOut, examples
from service_kit.times import Time

_ID = "0199c1a0-5b00-7a10-8c00-000000000041"
_IN: dict[str, Any] = {
    "name": "Winter sale",
    "currency": "GBP",
    "customer_group": None,
    "starts_at": "2027-01-02T00:00:00Z",
    "ends_at": "2027-01-31T00:00:00Z",
}
Group = Annotated[
    UUID | None, Field(description="only the customers of this group have the prices; default: everybody")
]
Start = Annotated[
    Time | None,
    Field(
        description="default: at once, product by product as they are processed. To change all prices at one moment,"
        " name one that is some minutes ahead"
    ),
]


class PriceListIn(RequestBody):
    model_config = examples(_IN)

    name: Line
    currency: Currency
    customer_group: Group = None
    starts_at: Start = None
    ends_at: Time | None = Field(default=None, description="default: when the list is ended")


class PriceListChange(RequestBody):
    """An absent field stays. Of a list that is no draft, only `name` can be changed."""

    model_config = examples({"name": "January sale"}, {"ends_at": None})

    name: Line | None = None
    currency: Currency | None = None
    customer_group: Group = None
    starts_at: Start = None
    ends_at: Time | None = None

    @model_validator(mode="after")
    def _required_is_not_null(self) -> "PriceListChange":
        for name in ("name", "currency"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"{name} must not be null")
        return self


class PriceListOut(RowOut):
    model_config = examples(
        {"id": _ID, **_IN, "state": "activating", "products": 1200, "done": 500, "skipped": 0, "version": 3}
        | dict.fromkeys(("created_at", "updated_at"), "2026-12-01T00:00:00Z")
    )

    id: UUID
    name: str
    currency: str
    customer_group: UUID | None
    starts_at: datetime | None
    ends_at: datetime | None
    state: ListState
    products: int = Field(description="how many products are processed while the list is activated or ended")
    done: int = Field(description="how many of them are done")
    skipped: int = Field(
        description="how many of those done have no price of the list: it has ended, or the product's schedule is full"
    )
    version: int
    created_at: datetime
    updated_at: datetime


class EntryIn(RequestBody):
    model_config = examples(
        {"product_id": _ID, "amount": 1795}, {"product_id": _ID, "min_quantity": 10, "amount": None}
    )

    product_id: UUID
    min_quantity: int = Field(default=1, ge=1, le=1_000_000, description="it applies from this number of pieces on")
    amount: int | None = Field(
        gt=0, le=MAX_AMOUNT, description="the price of one piece, in the currency's minor unit; null: remove it"
    )


class EntriesIn(RequestBody):
    model_config = examples({"prices": [{"product_id": _ID, "amount": 1795}]})

    prices: Annotated[list[EntryIn], Field(min_length=1, max_length=1000)]

    @model_validator(mode="after")
    def _different(self) -> "EntriesIn":
        if len({(price.product_id, price.min_quantity) for price in self.prices}) < len(self.prices):
            raise ValueError("each product and min_quantity must occur once")
        return self


class EntryOut(RowOut):
    model_config = examples({"product_id": _ID, "min_quantity": 1, "amount": 1795})

    product_id: UUID
    min_quantity: int
    amount: int
