"""The catalogue over HTTP."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query

from contracts.money import Currency
from product_service.products.endpoints import may_read_hidden
from product_service.products.models import Status
from product_service.products.schemas import MAX_AMOUNT, ProductOut
from product_service.search import queries
from product_service.search.schemas import CurrencyNeeded, Filters, ProductPage, Sort, SortNeedsText
from product_service.text import Sku, Text
from service_kit.clock import utcnow
from service_kit.database.keyset import InvalidCursor
from service_kit.http.pagination import Paged
from service_kit.http.problem_responses import problems
from service_kit.http.router import Router
from service_kit.http.sessions import Transaction
from service_kit.problems import Forbidden, Unauthenticated
from service_kit.security import PUBLIC_OR_SIGNED_IN, MaybePrincipal

router = Router(prefix="/products", tags=["products"])

Amount = Annotated[int, Query(ge=0, le=MAX_AMOUNT)]


async def _filters(
    who: MaybePrincipal,
    q: Annotated[
        Text | None,
        Query(
            max_length=200,
            description='words of SKU, name or description, whose typing errors are forgiven; "a phrase" must be there'
            " as it is, and -what has a minus must not",
            examples=["hart"],
        ),
    ] = None,
    sku: Annotated[list[Sku] | None, Query(max_length=100, description="exactly these")] = None,
    category_id: Annotated[UUID | None, Query(description="in this category or one below it")] = None,
    status: Annotated[
        list[Status] | None, Query(max_length=3, description="default: `active`; the others are staff's")
    ] = None,
    currency: Annotated[
        Currency | None, Query(description="of prices shown; needed to filter or sort by price")
    ] = None,
    min_price: Annotated[Amount | None, Query(description="of one piece now, in the minor unit of `currency`")] = None,
    max_price: Annotated[Amount | None, Query(description="of one piece now, in the minor unit of `currency`")] = None,
    in_stock: Annotated[bool | None, Query(description="what can, or can't, be ordered now")] = None,
) -> Filters:
    wanted = status or [Status.ACTIVE]
    if set(wanted) != {Status.ACTIVE} and not may_read_hidden(who):
        raise Forbidden(permission="products:read:any") if who else Unauthenticated
    return Filters((q or "").strip() or None, sku or [], category_id, wanted, currency, min_price, max_price, in_stock)


@router.get(
    "",
    summary="List and search products",
    openapi_extra=PUBLIC_OR_SIGNED_IN,
    responses=problems(InvalidCursor, SortNeedsText, CurrencyNeeded, Unauthenticated, Forbidden),
)
async def list_products(
    filters: Annotated[Filters, Depends(_filters)],
    page: Paged,
    tx: Transaction,
    sort: Annotated[Sort | None, Query(description="default: `relevance` with `q`, else `-created_at`")] = None,
    facets: Annotated[bool, Query(description="count by category, price and stock too")] = False,
) -> ProductPage:
    """Every filter narrows; the list stays stable while products are added. Prices are those of one piece now."""
    if sort == Sort.RELEVANCE and not filters.q:
        raise SortNeedsText
    _check_currency(filters, sort)
    now = utcnow()
    sort = sort or (Sort.RELEVANCE if filters.q else Sort.NEWEST)
    await queries.prepare(tx)
    found = page.of(
        await queries.page(tx, filters, sort, page.position, now),
        lambda row: ProductOut.model_validate_json(row["body"]),
    )
    counts = await queries.facets(tx, filters, now) if facets else None
    return ProductPage(items=found.items, next=found.next, facets=counts)


def _check_currency(filters: Filters, sort: Sort | None) -> None:
    """Raises: CurrencyNeeded."""
    by_price = {
        "sort": sort in (Sort.CHEAPEST, Sort.DEAREST),
        "min_price": filters.min_price is not None,
        "max_price": filters.max_price is not None,
    }
    if filters.currency is None and (named := [f"`{name}`" for name, is_used in by_price.items() if is_used]):
        raise CurrencyNeeded(parameters=" and ".join(named))
