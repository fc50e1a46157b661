"""What is asked of the catalogue, and what it answers."""

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from product_service.products.models import Status
from product_service.products.schemas import ProductOut
from product_service.search.words import Search, parse
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


@dataclass(frozen=True)
class Filters:
    """Each narrows the list; None or empty: it doesn't."""

    q: str | None = None
    sku: list[str] = field(default_factory=list)
    category_id: UUID | None = None
    status: list[Status] = field(default_factory=lambda: [Status.ACTIVE])
    currency: str | None = None
    min_price: int | None = None
    max_price: int | None = None
    in_stock: bool | None = None

    @cached_property
    def search(self) -> Search:
        """`q`, parsed."""
        return parse(self.q or "")


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
