"""Query parameters and response bodies of the catalogue."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from contracts.money import Currency
from product_service.products.models import Status
from product_service.products.schemas import MAX_AMOUNT, ProductOut, Tag
from product_service.search.words import Search, parse
from product_service.text import Sku, Text
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


@dataclass(frozen=True)
class Filters:
    q: Annotated[
        Text | None,
        Query(
            max_length=200,
            description='words of the SKU, name or description, which may be misspelt; "a phrase" must occur as it is,'
            " and a -word with a minus must not occur",
            examples=["hart"],
        ),
    ] = None
    sku: Annotated[list[Sku] | None, Query(max_length=100, description="only products with these SKUs")] = None
    tag: Annotated[list[Tag] | None, Query(max_length=10, description="only products with all of these tags")] = None
    category_id: Annotated[UUID | None, Query(description="only products in this category or its descendants")] = None
    status: Annotated[
        list[Status] | None, Query(max_length=3, description="default: `active`; others need `products:read:any`")
    ] = None
    currency: Annotated[Currency | None, Query(description="of `unit_price`; needed to filter or sort by price")] = None
    min_price: PriceLimit = None
    max_price: PriceLimit = None
    in_stock: Annotated[bool | None, Query(description="true: only available products; false: only others")] = None

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


class Facets(BaseModel):
    """Counts of all products that were found, on all pages."""

    count: int
    in_stock: int
    categories: list[CategoryFacet] = Field(description="the 50 categories with the most products")
    prices: list[PriceFacet]


class ProductPage(Page[ProductOut]):
    model_config = ConfigDict(title="ProductPage")

    facets: Facets | None = Field(default=None, description="null unless requested")
