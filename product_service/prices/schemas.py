"""Request and response bodies of prices."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from contracts.money import Money
from product_service.prices.explain import Verdict
from product_service.products.schemas import MAX_AMOUNT
from service_kit.iso_codes import Currency
from service_kit.schemas import RequestBody, RowOut, examples
from service_kit.times import Time

_IN: dict[str, Any] = {
    "amount": 235,
    "currency": "GBP",
    "min_quantity": 12,
    "starts_at": "2027-01-01T00:00:00Z",
    "ends_at": "2027-02-01T00:00:00Z",
}
_GROUP = "0199c1a0-5b00-7a10-8c00-000000000051"
_ID = "0199c1a0-5b00-7a10-8c00-000000000009"


class PriceIn(RequestBody):
    model_config = examples(_IN)

    amount: int = Field(gt=0, le=MAX_AMOUNT, description="the price of one piece, in the currency's minor unit")
    currency: Currency
    min_quantity: int = Field(default=1, ge=1, le=1_000_000, description="it applies from this number of pieces on")
    starts_at: Time | None = Field(default=None, description="default: now, which also replaces a time in the past")
    ends_at: Time | None = Field(default=None, description="it does not apply from then on; default: no end")


class GroupPriceIn(PriceIn):
    model_config = examples({"customer_group": _GROUP, **_IN})

    customer_group: UUID = Field(description="the id of a customer group of the user service")


class PriceEnd(RequestBody):
    model_config = examples({"ends_at": "2027-01-15T00:00:00Z"}, {})

    ends_at: Time | None = Field(default=None, description="default: now, which also replaces a time in the past")


class PriceOut(RowOut):
    model_config = examples(
        {
            "id": _ID,
            "product_id": _ID,
            **_IN,
            "prior_amount": 255,
            "list_id": None,
            "created_at": "2026-12-01T00:00:00Z",
        }
    )

    id: UUID
    product_id: UUID
    amount: int
    currency: str
    min_quantity: int
    starts_at: datetime
    ends_at: datetime | None
    prior_amount: int | None = Field(
        description="the lowest public price of one piece in the 30 days before it starts; null: none is known, or it"
        " is a price of more pieces"
    )
    list_id: UUID | None = Field(description="the price list that it is part of")
    created_at: datetime


class GroupPriceOut(RowOut):
    model_config = examples(
        {"id": _ID, "product_id": _ID, "customer_group": _GROUP, **_IN}
        | {"list_id": None, "created_at": "2026-12-01T00:00:00Z"}
    )

    id: UUID
    product_id: UUID
    customer_group: UUID
    amount: int
    currency: str
    min_quantity: int
    starts_at: datetime
    ends_at: datetime | None
    list_id: UUID | None = Field(description="the price list that it is part of")
    created_at: datetime


class BasePriceOut(RowOut):
    model_config = examples(
        {"amount": 255, "currency": "GBP", "effective_from": "2026-12-01T00:00:00Z", "prior_amount": 295}
    )

    amount: int
    currency: str
    effective_from: datetime
    prior_amount: int | None = Field(description="the lowest public price in the 30 days before; null: none is known")


class CandidateOut(RowOut):
    id: UUID | None = Field(description="null: the base price")
    amount: int
    currency: str
    min_quantity: int
    starts_at: datetime
    ends_at: datetime | None
    prior_amount: int | None
    list_id: UUID | None
    customer_group: UUID | None
    rule_id: UUID | None = Field(description="the price rule that has set it; null: staff have")
    why: list[dict[str, Any]] | None = Field(
        description="the steps of the rule's calculation, each with the amount after it"
    )
    verdict: Verdict = Field(
        description="`applies`, or why it doesn't: `started-earlier`: another price of the tier started later;"
        " `group-goes-first`: the tier has a price of the group; `other-tier-is-lower`: another tier has a lower one"
    )


class ExplanationOut(BaseModel):
    quantity: int
    currency: str
    at: datetime
    customer_group: UUID | None
    unit_price: Money | None = Field(description="null: no price applied in this currency")
    candidates: list[CandidateOut] = Field(description="the one that applies first, then by start, the last first")
