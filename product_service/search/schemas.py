"""Query parameters and response bodies of the catalogue."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from contracts.money import Currency, Money
from product_service.attributes.models import Kind
from product_service.products.models import Status
from product_service.products.schemas import MAX_AMOUNT, Gtin, ProductOut, Tag
from product_service.search.words import Search, parse
from product_service.text import Line, Sku, Storable, Text
from service_kit.http.pagination import Page
from service_kit.problems import Problem


class SortNeedsText(Problem, status=400, type="sort-needs-text"):
    """Only what was searched for with `q` can be sorted by relevance."""


class CurrencyNeeded(Problem, status=422, type="currency-needed"):
    """Amounts of different currencies can't be compared: send `currency` with {parameters}, as in `currency=GBP`."""


class Sort(StrEnum):
    RELEVANCE = "relevance"
    NEWEST = "-created_at"
    OLDEST = "created_at"
    NAME = "name"
    NAME_BACKWARDS = "-name"
    CHEAPEST = "price"
    DEAREST = "-price"


PriceLimit = Annotated[
    int | None, Query(ge=0, le=MAX_AMOUNT, description="of the price of one piece now, in minor units of `currency`")
]
Values = Annotated[str, StringConstraints(max_length=600), Storable]
ExternalId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.-]{0,39}=.{1,200}$"), Storable]


@dataclass(frozen=True)
class Filters:
    q: Annotated[
        Text | None,
        Query(
            max_length=200,
            description='words of the SKU, name or description, which may be misspelt; "a phrase" must occur as it is,'
            " a -word with a minus must not occur, and the word at the end may be incomplete",
            examples=["hart"],
        ),
    ] = None
    sku: Annotated[list[Sku] | None, Query(max_length=100, description="only products with these SKUs")] = None
    tag: Annotated[list[Tag] | None, Query(max_length=10, description="only products with all of these tags")] = None
    gtin: Annotated[list[Gtin] | None, Query(max_length=100, description="only products with these bar codes")] = None
    external_id: Annotated[
        list[ExternalId] | None,
        Query(
            max_length=100,
            description="only products with these ids in other systems, as `system=id`; needs `products:read:any`",
            examples=[["erp=4711"]],
        ),
    ] = None
    category_id: Annotated[UUID | None, Query(description="only products in this category or its descendants")] = None
    family_id: Annotated[UUID | None, Query(description="only products of this family")] = None
    brand: Annotated[list[Line] | None, Query(max_length=20, description="only products of these brands")] = None
    attr: Annotated[
        list[Values] | None,
        Query(
            max_length=20,
            description="only products with this value of an attribute that `GET /attributes` lists, as `name:value`;"
            " of several values of one attribute, one is enough; of several attributes, each must hold. A number may be"
            " a range: `height_mm:100..200`, `height_mm:100..` or `height_mm:..200`, limits included",
            examples=[["colour:white", "colour:blue", "height_mm:100..200"]],
        ),
    ] = None
    option: Annotated[
        list[Values] | None,
        Query(
            max_length=20,
            description="as `attr`, for the options of families, which are texts: `size:M`",
            examples=[["size:M", "size:L"]],
        ),
    ] = None
    status: Annotated[
        list[Status] | None, Query(max_length=3, description="default: `active`; others need `products:read:any`")
    ] = None
    currency: Annotated[Currency | None, Query(description="of `unit_price`; needed to filter or sort by price")] = None
    min_price: PriceLimit = None
    max_price: PriceLimit = None
    in_stock: Annotated[bool | None, Query(description="true: only available products; false: only others")] = None
    collapse: Annotated[
        Literal["family"] | None,
        Query(
            description="`family`: of the products of a family that meet the filters, only the first in the order of"
            " the list, with a summary in `family`; facets then count families and products without one"
        ),
    ] = None

    @property
    def needs_staff(self) -> bool:
        """Whether it reads what only staff see."""
        return set(self.statuses) != {Status.ACTIVE} or bool(self.external_id)

    @property
    def statuses(self) -> list[Status]:
        return self.status or [Status.ACTIVE]

    @cached_property
    def search(self) -> Search | None:
        return parse(self.q) if self.q and self.q.strip() else None

    def check_currency(self, sort: Sort | None) -> None:
        """Raises: CurrencyNeeded."""
        by_price = {
            "sort": sort in (Sort.CHEAPEST, Sort.DEAREST),
            "min_price": self.min_price is not None,
            "max_price": self.max_price is not None,
        }
        if self.currency is None and (named := [f"`{name}`" for name, is_used in by_price.items() if is_used]):
            raise CurrencyNeeded(parameters=" and ".join(named))


class CategoryFacet(BaseModel):
    category_id: UUID
    name: str
    slug: str
    count: int


class PriceFacet(BaseModel):
    currency: str
    min: int
    max: int


class BrandFacet(BaseModel):
    brand: str
    count: int


class Value(BaseModel):
    value: str | int | float | bool
    count: int


class AttributeFacet(BaseModel):
    """An attribute of the registry, with its most frequent values."""

    name: str
    kind: Kind
    unit: str | None
    labels: dict[str, str]
    values: list[Value]
    min: float | None = Field(description="of all values, if they are numbers")
    max: float | None


class OptionFacet(BaseModel):
    name: str
    values: list[Value]


class Facets(BaseModel):
    """Counts of all products that were found, on all pages; with `collapse`, of families and products without one.

    Those of a brand, an attribute and an option ignore the filter by itself, so that they show the alternatives.
    """

    count: int
    in_stock: int
    categories: list[CategoryFacet] = Field(description="the 50 categories with the most products")
    prices: list[PriceFacet]
    brands: list[BrandFacet] = Field(description="the 20 most frequent brands")
    attributes: list[AttributeFacet] = Field(
        description="the facets of `GET /attributes`, by their position, with 20 values each at most"
    )
    options: list[OptionFacet] = Field(description="the options of families, with 20 values each at most")


class FamilySummary(BaseModel):
    """The family of a product that stands for it in a list."""

    id: UUID
    name: str
    slug: str
    variants: int = Field(description="how many of its products meet the filters")
    price_from: Money | None = Field(
        description="the lowest present price of one piece of these; null: none, or they have no currency in common"
    )


class ListedProduct(ProductOut):
    family: FamilySummary | None = Field(default=None, description="null without `collapse`, or without a family")


class ProductPage(Page[ListedProduct]):
    model_config = ConfigDict(title="ProductPage")

    facets: Facets | None = Field(default=None, description="null unless requested")
    did_you_mean: str | None = Field(
        default=None, description="`q` with words of the catalogue, if few products or none were found"
    )


class Suggestion(BaseModel):
    id: UUID
    name: str
    slug: str


class Suggestions(BaseModel):
    """SQL in `suggestion_queries.py` writes the response body, which this model documents."""

    model_config = ConfigDict(extra="forbid")

    texts: list[str] = Field(description="what was typed, with the word at its end completed; the most frequent first")
    products: list[Suggestion] = Field(description="those whose name begins with it, then others with these words")
    families: list[Suggestion]
    categories: list[Suggestion]
