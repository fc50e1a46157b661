"""Request and response bodies of products."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    StringConstraints,
    model_validator,
)
from stdnum import ean

from contracts.money import Money
from contracts.tax_class import TaxClass
from product_service.products.models import Status
from product_service.text import Line, Paragraphs, Sku, Storable
from service_kit.money import MoneyIn
from service_kit.schemas import RequestBody, examples

MAX_AMOUNT = 10**12


def _gtin(text: str) -> str:
    """Raises: ValueError."""
    digits = text.replace(" ", "").replace("-", "")
    if not ean.is_valid(digits):
        raise ValueError("must have 8, 12, 13 or 14 digits, the last of which is their check digit")
    return digits


AttributeName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64), Storable]
WholeNumber = Annotated[int, Field(ge=-(2**53), le=2**53)]
Attributes = Annotated[
    dict[AttributeName, bool | WholeNumber | FiniteFloat | Annotated[str, Field(max_length=500), Storable]],
    Field(max_length=50, description="further properties: up to 50 names, each with a text, number or boolean"),
]
OptionName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64), Storable]
OptionValue = OptionName
Options = Annotated[
    dict[OptionName, OptionValue],
    Field(
        max_length=5, description="a value for each option of the family", examples=[{"colour": "blue", "size": "M"}]
    ),
]
Gtin = Annotated[
    str,
    StringConstraints(max_length=40),
    AfterValidator(_gtin),
    Field(description="the number in the bar code: 8, 12, 13 or 14 digits, the last of which checks the others"),
]
SystemName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.-]{0,39}$")]
ExternalIds = Annotated[
    dict[SystemName, Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), Storable]],
    Field(max_length=20, description="the ids in other systems, by the system's name; only staff see them"),
]
Metadata = Annotated[
    dict[AttributeName, bool | WholeNumber | FiniteFloat | Annotated[str, Field(max_length=2000), Storable] | None],
    Field(max_length=50, description="for your own programs, and of no effect here; only staff see it"),
]
Tag = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, min_length=1, max_length=40), Storable]
Tags = Annotated[
    list[Tag],
    AfterValidator(lambda tags: sorted(set(tags))),
    Field(max_length=30, description="words in small letters, by which lists can be filtered"),
]
Millimetres = Annotated[int, Field(gt=0, le=100_000)]
Weight = Annotated[int, Field(gt=0, le=1_000_000_000, description="of one piece, in grams")]
_IN: dict[str, Any] = {
    "sku": "85123A",
    "name": "White hanging heart T-light holder",
    "description": "Painted metal, for one tealight.",
    "category_id": None,
    "attributes": {"colour": "white", "height_mm": 140},
    "family_id": None,
    "options": {},
    "brand": "Lumière",
    "gtin": "5901234123457",
    "dimensions": {"length_mm": 120, "width_mm": 120, "height_mm": 140},
    "tags": ["handmade", "winter"],
    "external_ids": {"erp": "4711"},
    "metadata": {"shelf": "B-12"},
    "seo": {"title": "White heart T-light holder", "description": None},
    "price": {"amount": 255, "currency": "GBP"},
    "tax_class": "standard",
    "weight_g": 140,
    "status": "active",
}
_OUT: dict[str, Any] = {
    "id": "0199c1a0-5b00-7a10-8c00-000000000002",
    "slug": "white-hanging-heart-t-light-holder",
    **_IN,
    "images": [],
    "rating": {"average": "4.62", "count": 21},
    "unit_price": {"amount": 235, "currency": "GBP"},
    "reduction": {"prior": {"amount": 255, "currency": "GBP"}, "percent": 7},
    "availability": {"available": 112, "on_hand": 120, "reserved": 8, "updated_at": "2026-01-02T08:30:00.000000Z"},
    "version": 3,
    "created_at": "2026-01-01T00:00:00.000000Z",
    "updated_at": "2026-01-02T00:00:00.000000Z",
}


class Price(MoneyIn):
    """The base price of one piece."""

    amount: int = Field(gt=0, le=MAX_AMOUNT, description="in the currency's minor unit")


class Dimensions(RequestBody):
    """Of one piece, packed, in millimetres."""

    length_mm: Millimetres
    width_mm: Millimetres
    height_mm: Millimetres


class Seo(RequestBody):
    """What the product's page says to search engines; an absent text is made of the name or the description."""

    title: Line | None = None
    description: Annotated[str, StringConstraints(strip_whitespace=True, max_length=500), Storable] | None = None


class _ProductBody(RequestBody):
    def columns(self) -> dict[str, Any]:
        """The columns of the fields that the request contains."""
        fields = self.model_dump(exclude_unset=True)
        if price := fields.pop("price", None):
            fields |= {"price_amount": price["amount"], "price_currency": price["currency"]}
        if "metadata" in fields:
            fields["meta"] = fields.pop("metadata")
        if "family_id" in fields and fields["family_id"] is None:
            fields.setdefault("options", {})
        return fields


class ProductIn(_ProductBody):
    model_config = examples(_IN)

    sku: Sku
    name: Line
    description: Paragraphs | None = None
    category_id: UUID | None = None
    attributes: Attributes = {}
    family_id: UUID | None = Field(default=None, description="the family that it is a variant of; needs `options`")
    options: Options = {}
    brand: Line | None = None
    gtin: Gtin | None = None
    dimensions: Dimensions | None = None
    tags: Tags = []
    external_ids: ExternalIds = {}
    metadata: Metadata = {}
    seo: Seo | None = None
    price: Price
    tax_class: TaxClass = "standard"
    weight_g: Weight | None = None
    status: Status = Status.DRAFT


_NEVER_NULL = ("name", "attributes", "options", "tags", "external_ids", "metadata", "price", "tax_class", "status")


class ProductChange(_ProductBody):
    """An absent field stays; null removes a field that can be null. A null `family_id` takes it out of its family, and
    its options with it. The SKU never changes."""

    model_config = examples({"price": {"amount": 295, "currency": "GBP"}}, {"status": "archived"})

    name: Line | None = None
    description: Paragraphs | None = None
    category_id: UUID | None = None
    attributes: Attributes | None = None
    family_id: UUID | None = None
    options: Options | None = None
    brand: Line | None = None
    gtin: Gtin | None = None
    dimensions: Dimensions | None = None
    tags: Tags | None = None
    external_ids: ExternalIds | None = None
    metadata: Metadata | None = None
    seo: Seo | None = None
    price: Price | None = None
    tax_class: TaxClass | None = None
    weight_g: Weight | None = None
    status: Status | None = None

    @model_validator(mode="after")
    def _required_is_not_null(self) -> "ProductChange":
        for name in _NEVER_NULL:
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


class Rating(BaseModel):
    model_config = ConfigDict(extra="forbid")

    average: str = Field(description="of one to five stars, with two decimals")
    count: int


class ImageSize(BaseModel):
    """An image at one size, in pixels."""

    model_config = ConfigDict(extra="forbid")

    width: int
    height: int
    urls: dict[str, str] = Field(
        description="the paths of this size by format (`avif`, `webp`, `jpeg`, `png`); what one serves never changes"
    )


class ImageOut(BaseModel):
    """An image of a product or family."""

    model_config = ConfigDict(extra="forbid")

    media_id: UUID
    alt: dict[str, str] = Field(description="what it shows, by language")
    width: int = Field(description="of the original, in pixels")
    height: int
    sizes: list[ImageSize] = Field(description="the smallest first; the last is the original, as JPEG or PNG")


class Reduction(BaseModel):
    """How much lower the present price of one piece is than the lowest public price of the 30 days before it."""

    model_config = ConfigDict(extra="forbid")

    prior: Money = Field(description="the lowest price of one piece in the 30 days (a setting) before the reduction")
    percent: int = Field(description="of `prior`, rounded down")


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
    family_id: UUID | None
    options: dict[str, str]
    brand: str | None
    gtin: str | None
    dimensions: Dimensions | None
    tags: list[str]
    seo: Seo | None
    rating: Rating | None = Field(description="of the published reviews, of the family if it has one; null: none")
    images: list[ImageOut] = Field(description="in the sequence in which they are shown; the first is the main one")
    external_ids: dict[str, str] | None = Field(description="null unless staff read it")
    metadata: dict[str, Any] | None = Field(description="null unless staff read it")
    price: Money = Field(description="the base price")
    unit_price: Money | None = Field(
        description="the present price of one piece at this quantity; null: none in this currency"
    )
    reduction: Reduction | None = Field(
        description="null: `unit_price` is not lower than before, or is not a price of one piece"
    )
    tax_class: str
    weight_g: int | None = Field(description="of one piece, in grams; null: not known")
    status: Status
    availability: AvailabilityOut
    version: int
    created_at: datetime
    updated_at: datetime
