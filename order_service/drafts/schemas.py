"""Bodies of requests and responses about drafts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.address import Address
from contracts.money import Money
from order_service.base import MAX_LINES, MAX_QUANTITY
from order_service.drafts.models import Draft, DraftStatus
from order_service.orders.schemas import BillTo, OrderIn, ShipTo, TermsIn, Total, UnitPrice
from order_service.pricing.quotes import Quote
from order_service.pricing.schemas import QuoteOut
from service_kit.iso_codes import Currency
from service_kit.problems import Problem
from service_kit.schemas import RequestBody, RowOut

LONGEST_NOTE = 500
_EXAMPLE: dict[str, Any] = {
    "lines": [{"product_id": "0190f0c0-0000-7000-8000-000000000001", "quantity": 2}],
    "ship_to": {"name": "Ada King", "line1": "12 St James's Square", "city": "London", "country": "GB"},
    "note": "asked by telephone",
}


class DraftLineIn(RequestBody):
    """`agreed_unit_price` needs `orders:agree-price`; without it, the catalogue sets the price."""

    product_id: UUID
    quantity: int = Field(ge=1, le=MAX_QUANTITY)
    agreed_unit_price: UnitPrice | None = None


class DraftContent(TermsIn):
    """What the order will be placed with; as the body of `POST /orders`."""

    lines: list[DraftLineIn] = Field(min_length=1, max_length=MAX_LINES)
    ship_to: ShipTo
    bill_to: BillTo | None = Field(default=None, description="absent: the shipping address")
    currency: Currency | None = Field(default=None, description="if the products have prices in several")

    @model_validator(mode="after")
    def _one_currency(self) -> Self:
        named = {line.agreed_unit_price.currency for line in self.lines if line.agreed_unit_price}
        if len(named | ({self.currency} if self.currency else set())) > 1:
            raise ValueError("all agreed prices must be in one currency, and in `currency` if it is given")
        return self

    @property
    def has_agreed_prices(self) -> bool:
        return any(line.agreed_unit_price for line in self.lines)

    def stored(self) -> dict[str, Any]:
        """Itself as JSON, as a draft stores it."""
        return self.model_dump(mode="json", include=set(DraftContent.model_fields), exclude_none=True)


class DraftChangeIn(DraftContent):
    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    note: str | None = Field(default=None, max_length=LONGEST_NOTE, description="for staff alone")


class DraftIn(DraftChangeIn):
    model_config = ConfigDict(
        json_schema_extra={"example": {**_EXAMPLE, "customer_id": "0190f0c0-0000-7000-8000-000000000002"}}
    )

    customer_id: UUID = Field(description="the customer to order for")


class DraftPlacingIn(RequestBody):
    expected_total: Total | None = Field(default=None, description="any other is rejected (`price-changed`)")


class DraftSummary(RowOut):
    """A draft in a list. `GET /drafts/{id}` has what is in it, and its quote."""

    id: UUID
    customer_id: UUID
    status: DraftStatus
    note: str | None = Field(description="for staff alone")
    expires_at: datetime = Field(description="it is dropped then, unless it was placed")
    order_id: UUID | None = Field(description="the order that it was placed as")
    version: int
    created_by: UUID
    created_at: datetime


class DraftLineOut(BaseModel):
    product_id: UUID
    quantity: int
    agreed_unit_price: Money | None = None


class DraftOut(DraftSummary):
    """`quote`: what it would cost now; null: none of its products has a price, or it is no longer open."""

    lines: list[DraftLineOut]
    ship_to: Address
    bill_to: Address | None
    codes: list[str]
    shipping_method: str | None
    tax_id: str | None
    currency: str | None
    quote: QuoteOut | None
    problems: list[dict[str, Any]] = Field(
        description="why it could not be placed as it is, as the errors of `POST /orders`"
    )

    @classmethod
    def showing(cls, draft: Draft, quote: Quote | None, problems: Sequence[Problem]) -> Self:
        content = {name: draft.content.get(name) for name in DraftContent.model_fields}
        content["codes"] = content["codes"] or []
        shown = QuoteOut.of(quote) if quote is not None and quote.lines else None
        return cls.of(draft, **content, quote=shown, problems=[each.body() for each in problems])


def order_of(draft: Draft, expected_total: Total | None = None) -> OrderIn:
    """The request to place it."""
    return OrderIn(**draft.content, customer_id=draft.customer_id, expected_total=expected_total)
