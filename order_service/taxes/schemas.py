"""Request and response bodies of tax zones, tax rates and tax ids."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, model_validator

from contracts.tax_class import TaxClass
from order_service.pricing.places import RegionName, distinct
from order_service.pricing.rates import RateIn, RateOut
from order_service.taxes.models import TaxIdState
from service_kit.iso_codes import Country
from service_kit.schemas import RequestBody, RowOut, examples
from service_kit.text import Printable, Trimmed
from service_kit.times import Time

Name = Annotated[str, Trimmed(100), Printable]
Rounding = Literal["line", "rate"]
Mode = Literal["half_up", "down"]


Countries = Annotated[list[Country], Field(min_length=1, max_length=300), AfterValidator(distinct)]
Regions = Annotated[
    list[RegionName],
    Field(max_length=300, description="as addresses name them, in any case; only with exactly one country"),
    AfterValidator(distinct),
]
_ZONE: dict[str, Any] = {
    "name": "United Kingdom",
    "countries": ["GB"],
    "regions": [],
    "rounding": "line",
    "mode": "half_up",
    "prices_include_tax": True,
}
_ZONE_ID = "0199c1a0-5b00-7a10-8c00-000000000021"
_RATE: dict[str, Any] = {
    "zone_id": _ZONE_ID,
    "tax_class": "standard",
    "rate": "0.20",
    "name": "VAT",
    "starts_at": "2011-01-04T00:00:00Z",
    "ends_at": None,
}


class _Change(RequestBody):
    """An absent field is not changed."""

    @model_validator(mode="after")
    def _required_is_not_null(self) -> "_Change":
        for name in self.model_fields_set - {"starts_at", "ends_at"}:
            if getattr(self, name) is None:
                raise ValueError(f"{name} must not be null")
        return self


class TaxZoneIn(RequestBody):
    model_config = examples(_ZONE)

    name: Name
    countries: Countries
    regions: Regions = []
    rounding: Rounding = Field(default="line", description="tax is rounded once per line, or once per rate and order")
    mode: Mode = "half_up"
    prices_include_tax: bool = Field(default=True, description="whether the prices of products contain the tax")


class TaxZoneChange(_Change):
    model_config = examples({"prices_include_tax": False})

    name: Name | None = None
    countries: Countries | None = None
    regions: Regions | None = None
    rounding: Rounding | None = None
    mode: Mode | None = None
    prices_include_tax: bool | None = None


class TaxZoneOut(RowOut):
    model_config = examples({"id": _ZONE_ID, **_ZONE, "version": 1, "created_at": "2026-01-01T00:00:00Z"})

    id: UUID
    name: str
    countries: list[str]
    regions: list[str]
    rounding: Rounding
    mode: Mode
    prices_include_tax: bool
    version: int
    created_at: datetime


class TaxRateIn(RequestBody):
    model_config = examples({**_RATE, "zone_id": _ZONE_ID})

    zone_id: UUID
    tax_class: TaxClass
    rate: RateIn
    name: Name
    starts_at: Time | None = Field(default=None, description="null: it has always applied")
    ends_at: Time | None = Field(default=None, description="null: without an end")


class TaxRateChange(_Change):
    """`starts_at: null` or `ends_at: null` removes the limit."""

    model_config = examples({"ends_at": "2027-01-01T00:00:00Z"})

    tax_class: TaxClass | None = None
    rate: RateIn | None = None
    name: Name | None = None
    starts_at: Time | None = None
    ends_at: Time | None = None


class TaxRateOut(RowOut):
    model_config = examples(
        {"id": "0199c1a0-5b00-7a10-8c00-000000000022", **_RATE, "version": 1, "created_at": "2026-01-01T00:00:00Z"}
    )

    id: UUID
    zone_id: UUID
    tax_class: str
    rate: RateOut
    name: str
    starts_at: datetime | None
    ends_at: datetime | None
    version: int
    created_at: datetime


class TaxIdIn(RequestBody):
    model_config = examples({"number": "DE136695976"})

    number: Annotated[str, Trimmed(40), Printable] = Field(description="with its first two letters, such as DE")


class TaxIdOut(RowOut):
    """`valid`: orders to another member state may be placed with it without tax. `unreachable`: the registry has not
    answered yet, and is asked again."""

    model_config = examples(
        {"country": "DE", "number": "DE136695976", "state": "valid", "checked_at": "2026-01-01T00:00:00Z"}
    )

    country: str
    number: str
    state: TaxIdState
    checked_at: datetime | None = Field(description="when the registry was asked last")
