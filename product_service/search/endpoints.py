"""The list and search of products over HTTP."""

from typing import Annotated

from fastapi import Depends, Query, Request, Response

from product_service.languages import language_of
from product_service.products.endpoints import may_read_hidden
from product_service.products.models import Status
from product_service.products.schemas import ProductOut
from product_service.search import queries
from product_service.search.schemas import CurrencyNeeded, Filters, ProductPage, Sort, SortNeedsText
from service_kit.clock import utcnow
from service_kit.database.keyset import InvalidCursor
from service_kit.http.pagination import Paged
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Transaction
from service_kit.problems import Forbidden, Unauthenticated
from service_kit.security import PUBLIC_OR_SIGNED_IN, MaybePrincipal

router = Router(prefix="/products", tags=["products"])


@router.get(
    "",
    summary="List and search products",
    openapi_extra=PUBLIC_OR_SIGNED_IN,
    responses=problems(InvalidCursor, SortNeedsText, CurrencyNeeded, Unauthenticated, Forbidden),
)
async def list_products(
    filters: Annotated[Filters, Depends()],
    page: Paged,
    tx: Transaction,
    who: MaybePrincipal,
    request: Request,
    response: Response,
    sort: Annotated[Sort | None, Query(description="default: `relevance` with `q`, else `-created_at`")] = None,
    facets: Annotated[bool, Query(description="also return counts by category, price and stock")] = False,
) -> ProductPage:
    """Products that meet all filters. Pages are stable while products are added. Prices are those of one piece now."""
    if set(filters.statuses) != {Status.ACTIVE} and not may_read_hidden(who):
        raise Forbidden(permission="products:read:any") if who else Unauthenticated
    if sort == Sort.RELEVANCE and not filters.search:
        raise SortNeedsText
    filters.check_currency(sort)
    response.headers["Vary"] = "Accept-Language"
    now = utcnow()
    sort = sort or (Sort.RELEVANCE if filters.search else Sort.NEWEST)
    await queries.prepare(tx)
    found = page.of(
        await queries.page(tx, filters, sort, page.position, now, language_of(request)),
        lambda row: ProductOut.model_validate_json(row["body"]),
    )
    counts = await queries.facets(tx, filters, now) if facets else None
    return ProductPage(items=found.items, next=found.next, facets=counts)
