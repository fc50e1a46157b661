"""The list, search and suggestions of products over HTTP."""

from hashlib import md5
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response

from product_service.caching import allow_caching
from product_service.languages import language_of
from product_service.products.endpoints import may_read_hidden, rendered
from product_service.products.queries import RenderedProduct
from product_service.search import queries, spelling, suggestion_queries
from product_service.search.facet_queries import facets as count_facets
from product_service.search.filters import AttributeNotListed, FilterUnreadable
from product_service.search.schemas import (
    CurrencyNeeded,
    FamilySummary,
    Filters,
    ListedProduct,
    ProductPage,
    Sort,
    SortNeedsText,
    Suggestions,
)
from product_service.search.words import parse
from product_service.text import Text
from service_kit.clock import utcnow
from service_kit.database.keyset import InvalidCursor
from service_kit.http.etag import NOT_MODIFIED, IfNoneMatch
from service_kit.http.pagination import Paged
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Transaction
from service_kit.problems import Forbidden, Unauthenticated
from service_kit.security import PUBLIC, PUBLIC_OR_SIGNED_IN, MaybePrincipal

router = Router(prefix="/products", tags=["products"])


@router.get(
    "",
    summary="List and search products",
    openapi_extra=PUBLIC_OR_SIGNED_IN,
    responses=problems(
        InvalidCursor, SortNeedsText, CurrencyNeeded, AttributeNotListed, FilterUnreadable, Unauthenticated, Forbidden
    ),
)
async def list_products(
    filters: Annotated[Filters, Depends()],
    page: Paged,
    tx: Transaction,
    who: MaybePrincipal,
    request: Request,
    response: Response,
    sort: Annotated[Sort | None, Query(description="default: `relevance` with `q`, else `-created_at`")] = None,
    facets: Annotated[
        bool, Query(description="also return counts by category, price, stock, brand, attribute and option")
    ] = False,
) -> ProductPage:
    """Products that meet all filters. Pages are stable while products are added. Prices are those of one piece now."""
    if filters.needs_staff and not may_read_hidden(who):
        raise Forbidden(permission="products:read:any") if who else Unauthenticated
    if sort == Sort.RELEVANCE and not filters.search:
        raise SortNeedsText
    filters.check_currency(sort)
    allow_caching(response, who, seconds=15)
    now = utcnow()
    sort = sort or (Sort.RELEVANCE if filters.search else Sort.NEWEST)
    criteria = await queries.criteria(tx, filters)
    await queries.prepare(tx)
    found = page.of(await queries.page(tx, criteria, sort, page.position, now, language_of(request)), _listed)
    counts = await count_facets(tx, criteria, now) if facets else None
    meant = None
    if page.position.cursor is None and len(found.items) < spelling.FEW:
        meant = await spelling.did_you_mean(tx, criteria)
    return ProductPage(items=found.items, next=found.next, facets=counts, did_you_mean=meant)


@router.get(
    "/suggest",
    summary="Search while typing",
    response_model=Suggestions,
    openapi_extra=PUBLIC,
    responses=NOT_MODIFIED,
)
async def suggest(
    tx: Transaction,
    q: Annotated[Text, Query(min_length=1, max_length=100, description="what was typed so far", examples=["white ha"])],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """For each key press in a search field: products on sale, families and categories whose names have the words, of
    which the last may be incomplete, and completed texts to search for. Words must be spelt correctly."""
    body = await suggestion_queries.suggest(tx, parse(q))
    tag = md5(body.encode(), usedforsecurity=False).hexdigest()
    return rendered(RenderedProduct(body, tag, language=None), if_none_match)


def _listed(row: Any) -> ListedProduct:
    product = ListedProduct.model_validate_json(row["body"])
    if row["family"]:
        product.family = FamilySummary.model_validate_json(row["family"])
    return product
