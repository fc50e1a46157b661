"""Request and response bodies of families."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.money import Money
from contracts.tax_class import TaxClass
from product_service.products.models import Status
from product_service.products.schemas import ImageOut, OptionName, OptionValue, Price, ProductOut, Weight
from product_service.text import Line, Paragraphs, Sku
from service_kit.schemas import RequestBody, RowOut, examples

_ID = "0199c1a0-5b00-7a10-8c00-000000000031"
_OPTIONS = [{"name": "colour", "values": ["blue", "white"]}, {"name": "size", "values": ["S", "M", "L"]}]
_IN: dict[str, Any] = {
    "name": "Apron",
    "description": "Washed linen.",
    "category_id": None,
    "options": _OPTIONS,
}


class Option(RequestBody):
    """Something that the products of a family differ in, and its possible values in the sequence of a menu."""

    name: OptionName
    values: Annotated[list[OptionValue], Field(min_length=1, max_length=50)]

    @model_validator(mode="after")
    def _different(self) -> "Option":
        if len(set(self.values)) < len(self.values):
            raise ValueError("values must be different")
        return self


Options = Annotated[list[Option], Field(min_length=1, max_length=5)]


class _FamilyBody(RequestBody):
    @model_validator(mode="after")
    def _names_are_different(self) -> "_FamilyBody":
        options: list[Option] = getattr(self, "options", None) or []
        if len({option.name for option in options}) < len(options):
            raise ValueError("options must have different names")
        return self


class FamilyIn(_FamilyBody):
    model_config = examples(_IN)

    name: Line
    description: Paragraphs | None = None
    category_id: UUID | None = None
    options: Options


class FamilyChange(_FamilyBody):
    """An absent field stays; null removes `description` or `category_id`. Options may change as long as every product
    of the family has one value for each of them."""

    model_config = examples({"name": "Linen apron"}, {"options": _OPTIONS})

    name: Line | None = None
    description: Paragraphs | None = None
    category_id: UUID | None = None
    options: Options | None = None

    @model_validator(mode="after")
    def _required_is_not_null(self) -> "FamilyChange":
        for name in ("name", "options"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"{name} must not be null")
        return self


class VariantsIn(RequestBody):
    """The products to create: one for each combination of options that has none yet.

    The SKU is `sku` and the values (`APRON-BLUE-M`), the name that of the family and the values (`Apron, blue, M`).
    """

    model_config = examples({"sku": "APRON", "price": {"amount": 1995, "currency": "GBP"}, "options": {"size": ["M"]}})

    sku: Annotated[Sku, Field(max_length=40)]
    price: Price
    options: dict[OptionName, list[OptionValue]] = Field(
        default={}, max_length=5, description="only combinations with one of these values; default: all"
    )
    tax_class: TaxClass = "standard"
    weight_g: Weight | None = None
    status: Status = Status.DRAFT


class FamilyOut(RowOut):
    model_config = examples(
        {"id": _ID, "slug": "apron", **_IN, "images": [], "version": 1}
        | dict.fromkeys(("created_at", "updated_at"), "2026-01-01T00:00:00Z")
    )

    id: UUID
    name: str
    slug: str
    description: str | None
    category_id: UUID | None
    options: list[Option]
    images: list[ImageOut]
    version: int
    created_at: datetime
    updated_at: datetime


class FamilyPage(FamilyOut):
    """A family with its products. SQL in `queries.py` writes the response body, which this model documents."""

    model_config = ConfigDict(extra="forbid")

    price_from: Money | None = Field(
        description="the lowest present price of one piece; null: none, or the products have no currency in common"
    )
    labels: dict[str, str] = Field(description="names and values of options in the language of the response")
    variants: list[ProductOut] = Field(description="in the sequence of their creation; visitors see those on sale")


class VariantsOut(BaseModel):
    created: list[UUID]
    existing: int = Field(description="the combinations that had a product already")
