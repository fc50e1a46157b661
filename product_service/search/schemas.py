"""What is asked of the catalogue, and what it answers."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from contracts.money import Currency
from product_service.products.models import Status
from product_service.products.schemas import MAX_AMOUNT, ProductOut
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


Price = Annotated[
    int | None, Query(ge=0, le=MAX_AMOUNT, description="of one piece now, in the minor unit of `currency`")
]


@dataclass(frozen=True)
class Filters:
    """The query parameters that narrow the list. One that is absent does not."""

    q: Annotated[
        Text | None,
        Query(
            max_length=200,
            description='words of SKU, name or description, whose typing errors are forgiven; "a phrase" must be there'
            " as it is, and -what has a minus must not",
            examples=["hart"],
        ),
    ] = None
    sku: Annotated[list[Sku] | None, Query(max_length=100, description="exactly these")] = None
    category_id: Annotated[UUID | None, Query(description="in this category or one below it")] = None
    status: Annotated[
        list[Status] | None, Query(max_length=3, description="default: `active`; the others are staff's")
    ] = None
    currency: Annotated[Currency | None, Query(description="of prices shown; needed to filter or sort by price")] = None
    min_price: Price = None
    max_price: Price = None
    in_stock: Annotated[bool | None, Query(description="what can, or can't, be ordered now")] = None

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
    """Of all that was found, not of this page alone."""

    count: int
    in_stock: int
    categories: list[CategoryFacet] = Field(description="those with the most, 50 at most")
    prices: list[PriceFacet]


class ProductPage(Page[ProductOut]):
    model_config = ConfigDict(title="ProductPage")

    facets: Facets | None = Field(default=None, description="only where asked for")
