"""Request and response bodies of products."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    StringConstraints,
    model_validator,
)

from contracts.money import Money
from contracts.tax_class import TaxClass
from product_service.products.models import Status
from product_service.text import Line, Paragraphs, Sku, Storable
from service_kit.money import MoneyIn
from service_kit.schemas import RequestBody, examples

MAX_AMOUNT = 10**12

AttributeName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64), Storable]
WholeNumber = Annotated[int, Field(ge=-(2**53), le=2**53)]
Attributes = Annotated[
    dict[AttributeName, bool | WholeNumber | FiniteFloat | Annotated[str, Field(max_length=500), Storable]],
    Field(max_length=50, description="further properties: up to 50 names, each with a text, number or boolean"),
]
Weight = Annotated[int, Field(gt=0, le=1_000_000_000, description="of one piece, in grams")]
_IN: dict[str, Any] = {
    "sku": "85123A",
    "name": "White hanging heart T-light holder",
    "description": "Painted metal, for one tealight.",
    "category_id": None,
    "attributes": {"colour": "white", "height_mm": 140},
    "price": {"amount": 255, "currency": "GBP"},
    "tax_class": "standard",
    "weight_g": 140,
    "status": "active",
}
_OUT: dict[str, Any] = {
    "id": "0199c1a0-5b00-7a10-8c00-000000000002",
    "slug": "white-hanging-heart-t-light-holder",
    **_IN,
    "unit_price": {"amount": 235, "currency": "GBP"},
    "availability": {"available": 112, "on_hand": 120, "reserved": 8, "updated_at": "2026-01-02T08:30:00.000000Z"},
    "version": 3,
    "created_at": "2026-01-01T00:00:00.000000Z",
    "updated_at": "2026-01-02T00:00:00.000000Z",
}


class Price(MoneyIn):
    """The base price of one piece."""

    amount: int = Field(gt=0, le=MAX_AMOUNT, description="in the currency's minor unit")


class _ProductBody(RequestBody):
    def columns(self) -> dict[str, Any]:
        """The columns of the fields that the request contains."""
        fields = self.model_dump(exclude_unset=True)
        if price := fields.pop("price", None):
            fields |= {"price_amount": price["amount"], "price_currency": price["currency"]}
        return fields


class ProductIn(_ProductBody):
    model_config = examples(_IN)

    sku: Sku
    name: Line
    description: Paragraphs | None = None
    category_id: UUID | None = None
    attributes: Attributes = {}
    price: Price
    tax_class: TaxClass = "standard"
    weight_g: Weight | None = None
    status: Status = Status.DRAFT


class ProductChange(_ProductBody):
    """An absent field stays; null removes `description`, `category_id` or `weight_g`. The SKU never changes."""

    model_config = examples({"price": {"amount": 295, "currency": "GBP"}}, {"status": "archived"})

    name: Line | None = None
    description: Paragraphs | None = None
    category_id: UUID | None = None
    attributes: Attributes | None = None
    price: Price | None = None
    tax_class: TaxClass | None = None
    weight_g: Weight | None = None
    status: Status | None = None

    @model_validator(mode="after")
    def _required_is_not_null(self) -> "ProductChange":
        for name in ("name", "attributes", "price", "tax_class", "status"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"{name} must not be null")
        return self


class AvailabilityOut(BaseModel):
    """The newest known stock level. If none is known yet: zeros, and null for the time."""

    model_config = ConfigDict(extra="forbid")

    available: int = Field(description="pieces that can be ordered: neither reserved nor expired")
    on_hand: int
    reserved: int
    updated_at: datetime | None


class ProductOut(BaseModel):
    """A product. SQL in `queries.py` writes the response body, which this model documents."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_OUT]})

    id: UUID
    sku: str
    slug: str
    name: str
    description: str | None
    category_id: UUID | None
    attributes: dict[str, Any]
    price: Money = Field(description="the base price")
    unit_price: Money | None = Field(
        description="the present price of one piece at this quantity; null: none in this currency"
    )
    tax_class: str
    weight_g: int | None = Field(description="of one piece, in grams; null: not known")
    status: Status
    availability: AvailabilityOut
    version: int
    created_at: datetime
    updated_at: datetime
