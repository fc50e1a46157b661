"""Bodies of requests and responses about shipping zones and methods."""

from datetime import date, datetime, time
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StringConstraints, model_validator

from contracts.tax_class import TaxClass
from order_service.pricing.amounts import Amounts, check_chargeable
from order_service.pricing.places import RegionName, distinct
from order_service.pricing.quotes import MAX_AMOUNT
from order_service.pricing.shipping import By, Kind, ShippingMethod
from order_service.shipping.models import MethodStatus
from service_kit.iso_codes import Country, Currency
from service_kit.schemas import RequestBody, RowOut, examples
from service_kit.text import Printable, Trimmed

EXAMPLE_ID = "0199c1a0-5b00-7a10-8c00-000000000011"
Name = Annotated[str, Trimmed(100), Printable]
Code = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$"),
    Field(description="short, for requests: small letters, digits and hyphens"),
]
ShippingTax = Annotated[
    Literal["follows_goods"] | TaxClass,
    Field(description="a tax class such as `standard`; `follows_goods`: at the rates of the goods, in proportion"),
]
Cutoff = Annotated[
    str,
    StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$"),
    Field(description="`15:00`, UTC: an order placed from then on counts as placed on the next day"),
]


Countries = Annotated[
    list[Country],
    Field(max_length=250, description="empty: every country that no other zone names"),
    AfterValidator(distinct),
]
Regions = Annotated[
    list[RegionName],
    Field(max_length=200, description="only these states, provinces or counties, as addresses name them"),
    AfterValidator(distinct),
]
Prefixes = Annotated[
    list[
        Annotated[
            str,
            StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 -]{0,9}$"),
            AfterValidator(lambda prefix: prefix.replace(" ", "").upper()),
        ]
    ],
    Field(max_length=500, description="only postal codes that begin with one of these"),
    AfterValidator(distinct),
]
_ZONE: dict[str, Any] = {"name": "United Kingdom", "countries": ["GB"], "regions": [], "postal_prefixes": []}
_RATES: list[dict[str, Any]] = [
    {"currency": "GBP", "by": "weight", "from": 0, "amount": 399},
    {"currency": "GBP", "by": "weight", "from": 2000, "amount": 599},
]
_METHOD: dict[str, Any] = {
    "code": "standard", "name": "Standard delivery", "zone_id": EXAMPLE_ID, "kind": "delivery",
    "tax": "follows_goods", "rates": _RATES, "free_from": {"GBP": 5000}, "min_days": 2, "max_days": 4,
    "cutoff": "15:00", "default_weight": 500, "position": 1,
}  # fmt: skip


class ZoneIn(RequestBody):
    model_config = examples(_ZONE)

    name: Name
    countries: Countries
    regions: Regions = []
    postal_prefixes: Prefixes = []


class ZoneChange(RequestBody):
    """An absent field is not changed."""

    model_config = examples({"countries": ["GB", "IE"]})

    name: Name = ""
    countries: Countries = []
    regions: Regions = []
    postal_prefixes: Prefixes = []


class ZoneOut(RowOut):
    model_config = examples({"id": EXAMPLE_ID, **_ZONE, "version": 1, "created_at": "2026-12-01T00:00:00Z"})

    id: UUID
    name: str
    countries: list[str]
    regions: list[str] = Field(description="in small letters")
    postal_prefixes: list[str] = Field(description="in capitals, without blanks")
    version: int
    created_at: datetime


class RateIn(RequestBody):
    """`amount` is charged from the value `from` on, until another rate with a higher one applies."""

    currency: Currency
    by: By = Field(
        description="the goods' price after discounts (minor units), their weight (grams) or the number of pieces"
    )
    from_value: int = Field(default=0, alias="from", ge=0, le=MAX_AMOUNT)
    amount: int = Field(ge=0, le=MAX_AMOUNT, description="in the currency's minor unit")

    @model_validator(mode="after")
    def _is_chargeable(self) -> Self:
        check_chargeable(self.amount, self.currency)
        return self


def _consistent(rates: list[RateIn]) -> list[RateIn]:
    if len({(rate.currency, rate.from_value) for rate in rates}) < len(rates):
        raise ValueError("two rates of one currency must not begin at the same value")
    if len({(rate.currency, rate.by) for rate in rates}) > len({rate.currency for rate in rates}):
        raise ValueError("all rates of one currency must depend on the same: total, weight or pieces")
    return rates


Rates = Annotated[list[RateIn], Field(min_length=1, max_length=200), AfterValidator(_consistent)]
Days = Annotated[int, Field(ge=0, le=365, description="working days until it arrives")]
Weight = Annotated[int, Field(ge=0, le=1_000_000, description="grams of a piece whose weight is not known")]
PositionInList = Annotated[int, Field(ge=0, le=1000, description="the first method is the default of an order")]


class _MethodBody(RequestBody):
    def columns(self) -> dict[str, Any]:
        """The columns that the request sets: of a change those of the fields that it contains, otherwise all."""
        fields = self.model_dump(mode="json", exclude_unset=isinstance(self, MethodChange))
        if "rates" in fields:
            fields["rates"] = self.model_dump(mode="json")["rates"]
        if fields.get("cutoff"):
            fields["cutoff"] = time.fromisoformat(fields["cutoff"])
        return fields | {name: getattr(self, name) for name in ("zone_id", "warehouse_id") if name in fields}


class MethodIn(_MethodBody):
    model_config = examples(_METHOD)

    code: Code
    name: Name
    zone_id: UUID
    kind: Kind
    warehouse_id: UUID | None = Field(default=None, description="only for `pickup`: the warehouse that customers go to")
    tax: ShippingTax = "follows_goods"
    rates: Rates
    free_from: Amounts = Field(
        default={}, description="by currency: the goods' price after discounts that it is free from"
    )
    min_days: Days
    max_days: Days
    cutoff: Cutoff | None = None
    default_weight: Weight = 0
    position: PositionInList = 0


class MethodChange(_MethodBody):
    """An absent field is not changed; null removes `warehouse_id` or `cutoff`."""

    model_config = examples({"status": "disabled"}, {"free_from": {"GBP": 4000}})

    code: Code = ""
    name: Name = ""
    zone_id: UUID = UUID(int=0)
    kind: Kind = Kind.DELIVERY
    warehouse_id: UUID | None = None
    tax: ShippingTax = ""
    rates: Rates = []
    free_from: Amounts = {}
    min_days: Days = 0
    max_days: Days = 0
    cutoff: Cutoff | None = None
    default_weight: Weight = 0
    position: PositionInList = 0
    status: MethodStatus = MethodStatus.ACTIVE


class RateOut(BaseModel):
    currency: str
    by: By
    from_value: int = Field(serialization_alias="from")
    amount: int


class MethodOut(RowOut):
    model_config = examples(
        {"id": EXAMPLE_ID, **_METHOD, "warehouse_id": None, "status": "active", "version": 1,
         "created_at": "2026-12-01T00:00:00Z"}
    )  # fmt: skip

    id: UUID
    code: str
    name: str
    zone_id: UUID
    kind: Kind
    warehouse_id: UUID | None
    tax: str
    rates: list[RateOut]
    free_from: dict[str, int]
    min_days: int
    max_days: int
    cutoff: Annotated[str | None, BeforeValidator(lambda cutoff: cutoff and cutoff.isoformat("minutes"))]
    default_weight: int
    position: int
    status: MethodStatus
    version: int
    created_at: datetime


class OfferedMethodOut(BaseModel):
    """A shipping method that reaches an address, with its rates."""

    id: UUID
    code: str
    name: str
    kind: Kind
    tax: str
    rates: list[RateOut]
    free_from: dict[str, int] = Field(description="by currency: the goods' price after discounts that it is free from")
    from_date: date = Field(serialization_alias="from", description="the first day that an order of now arrives on")
    to_date: date = Field(serialization_alias="to", description="the last one")

    @classmethod
    def of(cls, method: ShippingMethod, now: datetime) -> "OfferedMethodOut":
        from_date, to_date = method.arrival(now)
        return cls.model_validate({**_fields(method), "from_date": from_date, "to_date": to_date}, from_attributes=True)


def _fields(method: ShippingMethod) -> dict[str, Any]:
    return {name: getattr(method, name) for name in OfferedMethodOut.model_fields if hasattr(method, name)}


class OfferedMethods(BaseModel):
    model_config = examples(
        {"items": [{"id": EXAMPLE_ID, "code": "standard", "name": "Standard delivery", "kind": "delivery",
                    "tax": "follows_goods", "rates": _RATES, "free_from": {"GBP": 5000},
                    "from": "2026-12-03", "to": "2026-12-07"}]}
    )  # fmt: skip

    items: list[OfferedMethodOut] = Field(description="as they are offered: the first is the default")
