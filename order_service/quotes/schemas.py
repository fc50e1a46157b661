"""The body of a request for a quote."""

from typing import Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from order_service.base import MAX_LINES, MAX_QUANTITY
from order_service.orders.schemas import TermsIn
from service_kit.addresses import PostalCode, Region
from service_kit.iso_codes import Country, Currency
from service_kit.schemas import RequestBody


class QuotedLine(RequestBody):
    product_id: UUID
    quantity: int = Field(ge=1, le=MAX_QUANTITY)

    @property
    def agreed_unit_price(self) -> None:
        return None

    @property
    def expected_unit_price(self) -> None:
        return None


class PlaceIn(RequestBody):
    """As much of an address as the price depends on."""

    country: Country
    region: Region | None = None
    postal_code: PostalCode | None = None


class QuoteIn(TermsIn):
    """Either `lines`, or `from_cart` for the caller's cart."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "lines": [{"product_id": "0190f0c0-0000-7000-8000-000000000001", "quantity": 2}],
                "ship_to": {"country": "GB", "postal_code": "SW1Y 4JH"},
                "codes": ["WELCOME10"],
            }
        }
    )

    lines: list[QuotedLine] | None = Field(default=None, min_length=1, max_length=MAX_LINES)
    from_cart: bool = False
    ship_to: PlaceIn
    currency: Currency | None = Field(default=None, description="if the products have prices in several")

    @model_validator(mode="after")
    def _one_source_of_lines(self) -> Self:
        if (self.lines is not None) == self.from_cart:
            raise ValueError("give either lines or from_cart")
        return self
